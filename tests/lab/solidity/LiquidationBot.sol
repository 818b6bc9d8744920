// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

interface IBotToken {
    function balanceOf(address owner) external view returns (uint256);
    function approve(address spender, uint256 amount) external returns (bool);
    function transfer(address to, uint256 amount) external returns (bool);
}

interface IAavePool {
    function liquidationCall(address collateral, address debt, address borrower, uint256 debtToCover, bool receiveAToken)
        external;
    function flashLoanSimple(address receiver, address asset, uint256 amount, bytes calldata params, uint16 referral)
        external;
}

interface IBotExit {
    function token0() external view returns (address);
    function swap(address, bool, int256, uint160, bytes calldata) external returns (int256, int256);
}

/// Liquidates on Aave in one transaction: borrows the debt asset by flash loan (or takes its own), calls
/// liquidationCall, sells all that it received in one Uniswap v3 pool, pays back, and keeps the rest.
contract LiquidationBot {
    struct Job {
        IAavePool lender;
        address borrower;
        address collateral;
        address debt;
        uint256 debtToCover;
        /// Sells collateral for debt; none where both are one token.
        IBotExit exit;
        /// Borrowed of the debt asset by flash loan; 0 takes the bot's own funds.
        uint256 loan;
    }

    /// What one job moved, in base units of the two tokens.
    struct Realised {
        uint256 repaid;
        uint256 received;
        uint256 proceeds;
        uint256 premium;
        /// Of the debt asset, more or less than before the job.
        int256 kept;
    }

    event Liquidated(address indexed borrower, address collateral, address debt, Realised realised);

    uint160 private constant LOWEST = 4295128740;
    uint160 private constant HIGHEST = 1461446703485210103287273052203988822378723970341;

    Realised private done;

    function run(Job calldata job) external returns (Realised memory) {
        delete done;
        uint256 before = IBotToken(job.debt).balanceOf(address(this));
        if (job.loan > 0) {
            job.lender.flashLoanSimple(address(this), job.debt, job.loan, abi.encode(job), 0);
        } else {
            work(job);
        }
        done.kept = int256(IBotToken(job.debt).balanceOf(address(this))) - int256(before);
        emit Liquidated(job.borrower, job.collateral, job.debt, done);
        return done;
    }

    /// Aave calls this with the loan in hand, and takes it back with the premium afterwards.
    function executeOperation(address asset, uint256 amount, uint256 premium, address initiator, bytes calldata params)
        external
        returns (bool)
    {
        require(initiator == address(this), "not mine");
        Job memory job = abi.decode(params, (Job));
        require(msg.sender == address(job.lender), "not the lender");
        work(job);
        done.premium = premium;
        IBotToken(asset).approve(msg.sender, amount + premium);
        return true;
    }

    function work(Job memory job) private {
        uint256 owned = IBotToken(job.debt).balanceOf(address(this));
        uint256 held = IBotToken(job.collateral).balanceOf(address(this));
        IBotToken(job.debt).approve(address(job.lender), job.debtToCover);
        job.lender.liquidationCall(job.collateral, job.debt, job.borrower, job.debtToCover, false);
        if (job.collateral == job.debt) return;
        done.repaid = owned - IBotToken(job.debt).balanceOf(address(this));
        done.received = IBotToken(job.collateral).balanceOf(address(this)) - held;
        if (address(job.exit) == address(0)) return;
        uint256 paid = IBotToken(job.debt).balanceOf(address(this));
        bool zeroForOne = job.exit.token0() == job.collateral;
        uint160 limit = zeroForOne ? LOWEST : HIGHEST;
        job.exit.swap(address(this), zeroForOne, int256(done.received), limit, abi.encode(job.collateral));
        done.proceeds = IBotToken(job.debt).balanceOf(address(this)) - paid;
    }

    function uniswapV3SwapCallback(int256 delta0, int256 delta1, bytes calldata sold) external {
        uint256 owed = uint256(delta0 > 0 ? delta0 : delta1);
        require(IBotToken(abi.decode(sold, (address))).transfer(msg.sender, owed), "no payment");
    }
}
