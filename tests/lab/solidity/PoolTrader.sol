// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

interface IToken {
    function transfer(address to, uint256 amount) external returns (bool);
}

interface IPoolV3 {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function liquidity() external view returns (uint128);
    function slot0() external view returns (uint160, int24, uint16, uint16, uint16, uint8, bool);
    function mint(address, int24, int24, uint128, bytes calldata) external returns (uint256, uint256);
    function swap(address, bool, int256, uint160, bytes calldata) external returns (int256, int256);
}

/// Adds liquidity to pools of Uniswap v3 and swaps in them for anyone, out of what it holds itself.
contract PoolTrader {
    struct Position {
        int24 lower;
        int24 upper;
        uint128 liquidity;
    }

    /// What a swap moved, and the pool after it.
    struct Swapped {
        int256 amount0;
        int256 amount1;
        uint160 sqrtPriceX96;
        int24 tick;
        uint128 liquidity;
    }

    function mint(IPoolV3 pool, Position[] calldata positions) external {
        for (uint256 i = 0; i < positions.length; i++) {
            Position calldata position = positions[i];
            pool.mint(address(this), position.lower, position.upper, position.liquidity, "");
        }
    }

    function swap(IPoolV3 pool, bool zeroForOne, int256 specified, uint160 limit)
        external
        returns (Swapped memory done)
    {
        (done.amount0, done.amount1) = pool.swap(address(this), zeroForOne, specified, limit, "");
        (done.sqrtPriceX96, done.tick,,,,,) = pool.slot0();
        done.liquidity = pool.liquidity();
    }

    function uniswapV3MintCallback(uint256 owed0, uint256 owed1, bytes calldata) external {
        pay(IPoolV3(msg.sender).token0(), owed0);
        pay(IPoolV3(msg.sender).token1(), owed1);
    }

    function uniswapV3SwapCallback(int256 delta0, int256 delta1, bytes calldata) external {
        if (delta0 > 0) pay(IPoolV3(msg.sender).token0(), uint256(delta0));
        if (delta1 > 0) pay(IPoolV3(msg.sender).token1(), uint256(delta1));
    }

    function pay(address token, uint256 amount) private {
        if (amount > 0) require(IToken(token).transfer(msg.sender, amount), "no payment");
    }
}
