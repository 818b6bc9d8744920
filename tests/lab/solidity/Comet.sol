// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

// A Compound III market as its readers see it. No package of npm or PyPI holds Compound's Comet, so this is a
// contract of ours with the published interface (names, events, errors), the published storage layout and the
// published arithmetic (compound-finance/comet: CometWithExtendedAssetList, CometExt and CometStorage), without
// the reentrancy guard, signed authorisations, withdrawals of reserves and tokens that charge fees.
// tests/test_lab_compound_v3.py proves its arithmetic on recorded answers of the real one.

import {AssetInfo, CometAssetList, CometBase, CometConstants, Configuration, IErc20} from "./CometBase.sol";

/// What is done with a Comet, and what is asked before.
contract Comet is CometBase {
    uint8 private constant SUPPLY = 1;
    uint8 private constant TRANSFER = 2;
    uint8 private constant WITHDRAW = 4;
    uint8 private constant ABSORB = 8;
    uint8 private constant BUY = 16;

    event Supply(address indexed from, address indexed dst, uint256 amount);
    event Transfer(address indexed from, address indexed to, uint256 amount);
    event Withdraw(address indexed src, address indexed to, uint256 amount);
    event SupplyCollateral(address indexed from, address indexed dst, address indexed asset, uint256 amount);
    event TransferCollateral(address indexed from, address indexed to, address indexed asset, uint256 amount);
    event WithdrawCollateral(address indexed src, address indexed to, address indexed asset, uint256 amount);
    event AbsorbDebt(address indexed absorber, address indexed borrower, uint256 basePaidOut, uint256 usdValue);
    event AbsorbCollateral(
        address indexed absorber,
        address indexed borrower,
        address indexed asset,
        uint256 collateralAbsorbed,
        uint256 usdValue
    );
    event BuyCollateral(address indexed buyer, address indexed asset, uint256 baseAmount, uint256 collateralAmount);
    event PauseAction(bool supplyPaused, bool transferPaused, bool withdrawPaused, bool absorbPaused, bool buyPaused);

    constructor(Configuration memory config, CometAssetList list) CometConstants(config, list) {}

    function pause(bool supply_, bool transfer_, bool withdraw_, bool absorb_, bool buy_) external {
        if (msg.sender != governor && msg.sender != pauseGuardian) revert Unauthorized();
        _totals.pauseFlags = (supply_ ? SUPPLY : 0) | (transfer_ ? TRANSFER : 0) | (withdraw_ ? WITHDRAW : 0)
            | (absorb_ ? ABSORB : 0) | (buy_ ? BUY : 0);
        emit PauseAction(supply_, transfer_, withdraw_, absorb_, buy_);
    }

    function isSupplyPaused() public view returns (bool) {
        return _totals.pauseFlags & SUPPLY != 0;
    }

    function isTransferPaused() public view returns (bool) {
        return _totals.pauseFlags & TRANSFER != 0;
    }

    function isWithdrawPaused() public view returns (bool) {
        return _totals.pauseFlags & WITHDRAW != 0;
    }

    function isAbsorbPaused() public view returns (bool) {
        return _totals.pauseFlags & ABSORB != 0;
    }

    function isBuyPaused() public view returns (bool) {
        return _totals.pauseFlags & BUY != 0;
    }

    /// By the indices as they were last written.
    function isBorrowCollateralized(address account) public view returns (bool) {
        return _isCovered(account, false);
    }

    /// By the indices as they were last written.
    function isLiquidatable(address account) public view returns (bool) {
        return !_isCovered(account, true);
    }

    function supply(address asset, uint256 amount) external {
        _supply(msg.sender, msg.sender, asset, amount);
    }

    function supplyTo(address dst, address asset, uint256 amount) external {
        _supply(msg.sender, dst, asset, amount);
    }

    function supplyFrom(address from, address dst, address asset, uint256 amount) external {
        _supply(from, dst, asset, amount);
    }

    function withdraw(address asset, uint256 amount) external {
        _withdraw(msg.sender, msg.sender, asset, amount);
    }

    function withdrawTo(address to, address asset, uint256 amount) external {
        _withdraw(msg.sender, to, asset, amount);
    }

    function withdrawFrom(address src, address to, address asset, uint256 amount) external {
        _withdraw(src, to, asset, amount);
    }

    function transfer(address dst, uint256 amount) external returns (bool) {
        _transfer(msg.sender, dst, baseToken, amount);
        return true;
    }

    function transferFrom(address src, address dst, uint256 amount) external returns (bool) {
        _transfer(src, dst, baseToken, amount);
        return true;
    }

    function transferAsset(address dst, address asset, uint256 amount) external {
        _transfer(msg.sender, dst, asset, amount);
    }

    function transferAssetFrom(address src, address dst, address asset, uint256 amount) external {
        _transfer(src, dst, asset, amount);
    }

    function absorb(address absorber, address[] calldata accounts) external {
        if (isAbsorbPaused()) revert Paused();
        uint256 gasBefore = gasleft();
        _accrue();
        for (uint256 i = 0; i < accounts.length; i++) _absorb(absorber, accounts[i]);
        LiquidatorPoints storage points = liquidatorPoints[absorber];
        points.numAbsorbs++;
        points.numAbsorbed += _u64(accounts.length);
        points.approxSpend += _u128((gasBefore - gasleft()) * block.basefee);
    }

    function buyCollateral(address asset, uint256 minAmount, uint256 baseAmount, address recipient) external {
        if (isBuyPaused()) revert Paused();
        int256 reserves = getReserves();
        if (reserves >= 0 && uint256(reserves) >= targetReserves) revert NotForSale();
        _pull(baseToken, msg.sender, baseAmount);
        uint256 bought = quoteCollateral(asset, baseAmount);
        if (bought < minAmount) revert TooMuchSlippage();
        if (bought > getCollateralReserves(asset)) revert InsufficientReserves();
        _push(asset, recipient, _u128(bought));
        emit BuyCollateral(msg.sender, asset, baseAmount, bought);
    }

    /// Adds up collateral in the list's order until it covers the debt: prices behind that stay unasked.
    function _isCovered(address account, bool toLiquidate) private view returns (bool) {
        UserBasic memory basic = userBasic[account];
        if (basic.principal >= 0) return true;
        int256 price = int256(getPrice(baseTokenPriceFeed));
        int256 liquidity = _balance(basic.principal) * price / int256(baseScale);
        for (uint8 i = 0; i < numAssets; i++) {
            if (!_isIn(basic, i)) continue;
            if (liquidity >= 0) return true;
            AssetInfo memory info = getAssetInfo(i);
            uint256 factor = toLiquidate ? info.liquidateCollateralFactor : info.borrowCollateralFactor;
            liquidity += int256(_factored(_worth(userCollateral[account][info.asset].balance, info), factor));
        }
        return liquidity >= 0;
    }

    /// The account's collateral becomes the Comet's, its debt is gone, what is left over is a supply of base.
    function _absorb(address absorber, address account) private {
        if (!isLiquidatable(account)) revert NotLiquidatable();
        UserBasic memory basic = userBasic[account];
        uint256 basePrice = getPrice(baseTokenPriceFeed);
        uint256 credit = _seize(absorber, account, basic) * baseScale / basePrice;
        int256 owed = _balance(basic.principal);
        int256 left = owed + int256(credit);
        if (left < 0) left = 0;
        int104 principal = _principal(left);
        _raise(account, principal);
        (userBasic[account].assetsIn, userBasic[account]._reserved) = (0, 0);
        uint256 paid = uint256(left - owed);
        emit AbsorbDebt(absorber, account, paid, paid * basePrice / baseScale);
        if (principal > 0) {
            emit Transfer(address(0), account, _present(uint104(principal), _totals.baseSupplyIndex));
        }
    }

    /// What the account is credited for all that it is in, as a value.
    function _seize(address absorber, address account, UserBasic memory basic) private returns (uint256 credit) {
        for (uint8 i = 0; i < numAssets; i++) {
            if (!_isIn(basic, i)) continue;
            AssetInfo memory info = getAssetInfo(i);
            uint128 amount = userCollateral[account][info.asset].balance;
            userCollateral[account][info.asset].balance = 0;
            totalsCollateral[info.asset].totalSupplyAsset -= amount;
            uint256 value = _worth(amount, info);
            credit += _factored(value, info.liquidationFactor);
            emit AbsorbCollateral(absorber, account, info.asset, amount, value);
        }
    }

    function _supply(address from, address dst, address asset, uint256 amount) private {
        if (isSupplyPaused()) revert Paused();
        if (!hasPermission(from, msg.sender)) revert Unauthorized();
        if (asset != baseToken) return _supplyCollateral(from, dst, asset, _u128(amount));
        if (amount == type(uint256).max) amount = borrowBalanceOf(dst);
        _pull(baseToken, from, amount);
        _accrue();
        uint104 supplied = _raise(dst, _principal(_balance(userBasic[dst].principal) + int256(amount)));
        emit Supply(from, dst, amount);
        if (supplied > 0) emit Transfer(address(0), dst, _present(supplied, _totals.baseSupplyIndex));
    }

    function _supplyCollateral(address from, address dst, address asset, uint128 amount) private {
        _pull(asset, from, amount);
        AssetInfo memory info = getAssetInfoByAddress(asset);
        totalsCollateral[asset].totalSupplyAsset += amount;
        if (totalsCollateral[asset].totalSupplyAsset > info.supplyCap) revert SupplyCapExceeded();
        _setCollateral(dst, info, userCollateral[dst][asset].balance + amount);
        emit SupplyCollateral(from, dst, asset, amount);
    }

    function _withdraw(address src, address to, address asset, uint256 amount) private {
        if (isWithdrawPaused()) revert Paused();
        if (!hasPermission(src, msg.sender)) revert Unauthorized();
        if (asset != baseToken) return _withdrawCollateral(src, to, asset, _u128(amount));
        if (amount == type(uint256).max) amount = balanceOf(src);
        _accrue();
        int256 balance = _balance(userBasic[src].principal) - int256(amount);
        uint104 withdrawn = _lower(src, _principal(balance));
        _checkDebt(src, balance);
        _push(baseToken, to, amount);
        emit Withdraw(src, to, amount);
        if (withdrawn > 0) emit Transfer(src, address(0), _present(withdrawn, _totals.baseSupplyIndex));
    }

    function _withdrawCollateral(address src, address to, address asset, uint128 amount) private {
        totalsCollateral[asset].totalSupplyAsset -= amount;
        _setCollateral(src, getAssetInfoByAddress(asset), userCollateral[src][asset].balance - amount);
        if (!isBorrowCollateralized(src)) revert NotCollateralized();
        _push(asset, to, amount);
        emit WithdrawCollateral(src, to, asset, amount);
    }

    /// Of the base asset: it may leave the sender in debt, of which no event says more than a Transfer does.
    function _transfer(address src, address dst, address asset, uint256 amount) private {
        if (isTransferPaused()) revert Paused();
        if (!hasPermission(src, msg.sender)) revert Unauthorized();
        if (src == dst) revert NoSelfTransfer();
        if (asset != baseToken) return _transferCollateral(src, dst, asset, _u128(amount));
        if (amount == type(uint256).max) amount = balanceOf(src);
        _accrue();
        int256 balance = _balance(userBasic[src].principal) - int256(amount);
        uint104 withdrawn = _lower(src, _principal(balance));
        uint104 supplied = _raise(dst, _principal(_balance(userBasic[dst].principal) + int256(amount)));
        _checkDebt(src, balance);
        if (withdrawn > 0) emit Transfer(src, address(0), _present(withdrawn, _totals.baseSupplyIndex));
        if (supplied > 0) emit Transfer(address(0), dst, _present(supplied, _totals.baseSupplyIndex));
    }

    function _transferCollateral(address src, address dst, address asset, uint128 amount) private {
        AssetInfo memory info = getAssetInfoByAddress(asset);
        _setCollateral(src, info, userCollateral[src][asset].balance - amount);
        _setCollateral(dst, info, userCollateral[dst][asset].balance + amount);
        if (!isBorrowCollateralized(src)) revert NotCollateralized();
        emit TransferCollateral(src, dst, asset, amount);
    }

    function _lower(address account, int104 to) private returns (uint104 withdrawn) {
        uint104 borrowed;
        (withdrawn, borrowed) = _fallen(userBasic[account].principal, to);
        _totals.totalSupplyBase -= withdrawn;
        _totals.totalBorrowBase += borrowed;
        _setPrincipal(account, to);
    }

    function _raise(address account, int104 to) private returns (uint104 supplied) {
        uint104 repaid;
        (repaid, supplied) = _risen(userBasic[account].principal, to);
        _totals.totalSupplyBase += supplied;
        _totals.totalBorrowBase -= repaid;
        _setPrincipal(account, to);
    }

    function _checkDebt(address account, int256 balance) private view {
        if (balance >= 0) return;
        if (uint256(-balance) < baseBorrowMin) revert BorrowTooSmall();
        if (!isBorrowCollateralized(account)) revert NotCollateralized();
    }

    /// A balance that comes from nothing sets the asset's bit, one that becomes nothing clears it.
    function _setCollateral(address account, AssetInfo memory info, uint128 balance) private {
        uint128 before = userCollateral[account][info.asset].balance;
        userCollateral[account][info.asset].balance = balance;
        if ((before == 0) == (balance == 0)) return;
        UserBasic storage basic = userBasic[account];
        if (info.offset < 16) basic.assetsIn ^= uint16(1) << info.offset;
        else basic._reserved ^= uint8(1) << (info.offset - 16);
    }

    function _isIn(UserBasic memory basic, uint8 offset) private pure returns (bool) {
        return ((uint256(basic._reserved) << 16) | basic.assetsIn) >> offset & 1 != 0;
    }

    function _worth(uint256 amount, AssetInfo memory info) private view returns (uint256) {
        return amount * getPrice(info.priceFeed) / info.scale;
    }

    function _pull(address token, address from, uint256 amount) private {
        if (!IErc20(token).transferFrom(from, address(this), amount)) revert TransferInFailed();
    }

    function _push(address token, address to, uint256 amount) private {
        if (!IErc20(token).transfer(to, amount)) revert TransferOutFailed();
    }
}

/// One that names a health factor to which accounts would be liquidated in part. It only answers the getter.
contract CometWithTarget is Comet {
    uint256 public immutable targetHealthFactor;

    constructor(Configuration memory config, CometAssetList list, uint256 target) Comet(config, list) {
        targetHealthFactor = target;
    }
}
