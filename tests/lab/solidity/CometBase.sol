// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

// Below Comet.sol: what it is made with, what it stores, interest.

interface IErc20 {
    function balanceOf(address holder) external view returns (uint256);
    function decimals() external view returns (uint8);
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

interface IPriced {
    function decimals() external view returns (uint8);
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
}

struct AssetConfig {
    address asset;
    address priceFeed;
    uint8 decimals;
    uint64 borrowCollateralFactor;
    uint64 liquidateCollateralFactor;
    uint64 liquidationFactor;
    uint128 supplyCap;
}

struct AssetInfo {
    uint8 offset;
    address asset;
    address priceFeed;
    uint64 scale;
    uint64 borrowCollateralFactor;
    uint64 liquidateCollateralFactor;
    uint64 liquidationFactor;
    uint128 supplyCap;
}

/// One rate curve: per year, in 1e18.
struct Curve {
    uint64 kink;
    uint64 slopeLow;
    uint64 slopeHigh;
    uint64 base;
}

struct Configuration {
    string name;
    string symbol;
    address governor;
    address baseToken;
    address baseTokenPriceFeed;
    Curve supplyRates;
    Curve borrowRates;
    uint64 storeFrontPriceFactor;
    uint64 trackingIndexScale;
    uint64 baseTrackingSupplySpeed;
    uint64 baseTrackingBorrowSpeed;
    uint104 baseMinForRewards;
    uint104 baseBorrowMin;
    uint104 targetReserves;
}

interface CometErrors {
    error AlreadyInitialized();
    error BadAsset();
    error BadDecimals();
    error BadMinimum();
    error BadPrice();
    error BorrowTooSmall();
    error BorrowCFTooLarge();
    error InsufficientReserves();
    error InvalidInt104();
    error InvalidUInt104();
    error InvalidUInt128();
    error InvalidUInt64();
    error LiquidateCFTooLarge();
    error NoSelfTransfer();
    error NotCollateralized();
    error NotForSale();
    error NotLiquidatable();
    error Paused();
    error SupplyCapExceeded();
    error TooManyAssets();
    error TooMuchSlippage();
    error TransferInFailed();
    error TransferOutFailed();
    error Unauthorized();
}

/// AssetList: the collaterals of one implementation. Factors keep four decimals, supply caps whole tokens.
contract CometAssetList is CometErrors {
    uint8 public immutable numAssets;
    AssetInfo[] private _infos;

    constructor(AssetConfig[] memory configs) {
        if (configs.length > 24) revert TooManyAssets();
        numAssets = uint8(configs.length);
        for (uint8 i = 0; i < configs.length; i++) {
            AssetConfig memory config = configs[i];
            if (IPriced(config.priceFeed).decimals() != 8) revert BadDecimals();
            if (IErc20(config.asset).decimals() != config.decimals) revert BadDecimals();
            if (config.borrowCollateralFactor >= config.liquidateCollateralFactor) revert BorrowCFTooLarge();
            if (config.liquidateCollateralFactor > 1e18) revert LiquidateCFTooLarge();
            uint64 scale = uint64(10 ** config.decimals);
            AssetInfo memory info = AssetInfo(
                i,
                config.asset,
                config.priceFeed,
                scale,
                _fourDecimals(config.borrowCollateralFactor),
                _fourDecimals(config.liquidateCollateralFactor),
                _fourDecimals(config.liquidationFactor),
                config.supplyCap / scale * scale
            );
            if (info.borrowCollateralFactor >= info.liquidateCollateralFactor) revert BorrowCFTooLarge();
            _infos.push(info);
        }
    }

    function getAssetInfo(uint8 i) external view returns (AssetInfo memory) {
        if (i >= numAssets) revert BadAsset();
        return _infos[i];
    }

    function _fourDecimals(uint64 factor) private pure returns (uint64) {
        return factor / 1e14 * 1e14;
    }
}

/// CometStorage: the same slots, the same packing.
abstract contract CometLayout {
    struct TotalsBasic {
        uint64 baseSupplyIndex;
        uint64 baseBorrowIndex;
        uint64 trackingSupplyIndex;
        uint64 trackingBorrowIndex;
        uint104 totalSupplyBase;
        uint104 totalBorrowBase;
        uint40 lastAccrualTime;
        uint8 pauseFlags;
    }

    struct TotalsCollateral {
        uint128 totalSupplyAsset;
        uint128 _reserved;
    }

    struct UserBasic {
        int104 principal;
        uint64 baseTrackingIndex;
        uint64 baseTrackingAccrued;
        uint16 assetsIn;
        uint8 _reserved;
    }

    struct UserCollateral {
        uint128 balance;
        uint128 _reserved;
    }

    struct LiquidatorPoints {
        uint32 numAbsorbs;
        uint64 numAbsorbed;
        uint128 approxSpend;
        uint32 _reserved;
    }

    /// Slots 0 and 1.
    TotalsBasic internal _totals;
    mapping(address => TotalsCollateral) public totalsCollateral;
    mapping(address => mapping(address => bool)) public isAllowed;
    mapping(address => uint256) public userNonce;
    mapping(address => UserBasic) public userBasic;
    mapping(address => mapping(address => UserCollateral)) public userCollateral;
    mapping(address => LiquidatorPoints) public liquidatorPoints;
}

/// What a Comet is made with. As with the real one, that belongs to the implementation, not to the proxy.
abstract contract CometConstants is CometErrors {
    uint64 internal constant INDEX_SCALE = 1e15;
    uint64 internal constant FACTOR_SCALE = 1e18;
    uint64 private constant SECONDS_PER_YEAR = 365 days;
    uint64 private constant ACCRUAL_SCALE = 1e6;

    address public immutable governor;
    address public immutable pauseGuardian;
    address public immutable baseToken;
    address public immutable baseTokenPriceFeed;
    address public immutable assetList;
    address public immutable extensionDelegate;
    uint256 public immutable supplyKink;
    uint256 public immutable supplyPerSecondInterestRateSlopeLow;
    uint256 public immutable supplyPerSecondInterestRateSlopeHigh;
    uint256 public immutable supplyPerSecondInterestRateBase;
    uint256 public immutable borrowKink;
    uint256 public immutable borrowPerSecondInterestRateSlopeLow;
    uint256 public immutable borrowPerSecondInterestRateSlopeHigh;
    uint256 public immutable borrowPerSecondInterestRateBase;
    uint256 public immutable storeFrontPriceFactor;
    uint256 public immutable baseScale;
    uint256 public immutable trackingIndexScale;
    uint256 public immutable baseTrackingSupplySpeed;
    uint256 public immutable baseTrackingBorrowSpeed;
    uint256 public immutable baseMinForRewards;
    uint256 public immutable baseBorrowMin;
    uint256 public immutable targetReserves;
    uint8 public immutable decimals;
    uint8 public immutable numAssets;
    uint256 internal immutable _accrualDescale;
    bytes32 private immutable _name;
    bytes32 private immutable _symbol;

    constructor(Configuration memory config, CometAssetList list) {
        if (config.baseMinForRewards == 0) revert BadMinimum();
        if (IPriced(config.baseTokenPriceFeed).decimals() != 8) revert BadDecimals();
        (_name, _symbol) = (bytes32(bytes(config.name)), bytes32(bytes(config.symbol)));
        (governor, pauseGuardian, extensionDelegate) = (config.governor, config.governor, address(list));
        (baseToken, baseTokenPriceFeed) = (config.baseToken, config.baseTokenPriceFeed);
        (assetList, numAssets) = (address(list), list.numAssets());
        decimals = IErc20(config.baseToken).decimals();
        baseScale = 10 ** IErc20(config.baseToken).decimals();
        _accrualDescale = 10 ** IErc20(config.baseToken).decimals() / ACCRUAL_SCALE;
        supplyKink = config.supplyRates.kink;
        supplyPerSecondInterestRateSlopeLow = config.supplyRates.slopeLow / SECONDS_PER_YEAR;
        supplyPerSecondInterestRateSlopeHigh = config.supplyRates.slopeHigh / SECONDS_PER_YEAR;
        supplyPerSecondInterestRateBase = config.supplyRates.base / SECONDS_PER_YEAR;
        borrowKink = config.borrowRates.kink;
        borrowPerSecondInterestRateSlopeLow = config.borrowRates.slopeLow / SECONDS_PER_YEAR;
        borrowPerSecondInterestRateSlopeHigh = config.borrowRates.slopeHigh / SECONDS_PER_YEAR;
        borrowPerSecondInterestRateBase = config.borrowRates.base / SECONDS_PER_YEAR;
        storeFrontPriceFactor = config.storeFrontPriceFactor;
        trackingIndexScale = config.trackingIndexScale;
        baseTrackingSupplySpeed = config.baseTrackingSupplySpeed;
        baseTrackingBorrowSpeed = config.baseTrackingBorrowSpeed;
        baseMinForRewards = config.baseMinForRewards;
        baseBorrowMin = config.baseBorrowMin;
        targetReserves = config.targetReserves;
    }

    function name() external view returns (string memory) {
        return _text(_name);
    }

    function symbol() external view returns (string memory) {
        return _text(_symbol);
    }

    function version() external pure returns (string memory) {
        return "0";
    }

    function baseAccrualScale() external pure returns (uint64) {
        return ACCRUAL_SCALE;
    }

    function baseIndexScale() external pure returns (uint64) {
        return INDEX_SCALE;
    }

    function factorScale() external pure returns (uint64) {
        return FACTOR_SCALE;
    }

    function priceScale() external pure returns (uint64) {
        return 1e8;
    }

    function maxAssets() external pure returns (uint8) {
        return 24;
    }

    function getAssetInfo(uint8 i) public view returns (AssetInfo memory) {
        return CometAssetList(assetList).getAssetInfo(i);
    }

    function getAssetInfoByAddress(address asset) public view returns (AssetInfo memory info) {
        for (uint8 i = 0; i < numAssets; i++) {
            info = getAssetInfo(i);
            if (info.asset == asset) return info;
        }
        revert BadAsset();
    }

    function getPrice(address priceFeed) public view returns (uint256) {
        (, int256 price,,,) = IPriced(priceFeed).latestRoundData();
        if (price <= 0) revert BadPrice();
        return uint256(price);
    }

    function getSupplyRate(uint256 utilization) public view returns (uint64) {
        uint256 low = utilization <= supplyKink ? utilization : supplyKink;
        uint256 rate = supplyPerSecondInterestRateBase + _factored(supplyPerSecondInterestRateSlopeLow, low);
        return _u64(rate + _factored(supplyPerSecondInterestRateSlopeHigh, utilization - low));
    }

    function getBorrowRate(uint256 utilization) public view returns (uint64) {
        uint256 low = utilization <= borrowKink ? utilization : borrowKink;
        uint256 rate = borrowPerSecondInterestRateBase + _factored(borrowPerSecondInterestRateSlopeLow, low);
        return _u64(rate + _factored(borrowPerSecondInterestRateSlopeHigh, utilization - low));
    }

    function quoteCollateral(address asset, uint256 baseAmount) public view returns (uint256) {
        AssetInfo memory info = getAssetInfoByAddress(asset);
        uint256 discount = _factored(storeFrontPriceFactor, FACTOR_SCALE - info.liquidationFactor);
        uint256 price = _factored(getPrice(info.priceFeed), FACTOR_SCALE - discount);
        return getPrice(baseTokenPriceFeed) * baseAmount * info.scale / price / baseScale;
    }

    function _factored(uint256 amount, uint256 factor) internal pure returns (uint256) {
        return amount * factor / FACTOR_SCALE;
    }

    function _u64(uint256 value) internal pure returns (uint64) {
        if (value > type(uint64).max) revert InvalidUInt64();
        return uint64(value);
    }

    function _u104(uint256 value) internal pure returns (uint104) {
        if (value > type(uint104).max) revert InvalidUInt104();
        return uint104(value);
    }

    function _u128(uint256 value) internal pure returns (uint128) {
        if (value > type(uint128).max) revert InvalidUInt128();
        return uint128(value);
    }

    function _text(bytes32 packed) private pure returns (string memory) {
        uint256 length = 0;
        while (length < 32 && packed[length] != 0) length++;
        bytes memory text = new bytes(length);
        for (uint256 i = 0; i < length; i++) text[i] = packed[i];
        return string(text);
    }
}

/// Interest, and who owes and holds what of the base asset.
abstract contract CometBase is CometLayout, CometConstants {
    event Approval(address indexed owner, address indexed spender, uint256 amount);

    function initializeStorage() external {
        if (_totals.lastAccrualTime != 0) revert AlreadyInitialized();
        _totals.lastAccrualTime = uint40(block.timestamp);
        (_totals.baseSupplyIndex, _totals.baseBorrowIndex) = (INDEX_SCALE, INDEX_SCALE);
    }

    function totalsBasic() external view returns (TotalsBasic memory) {
        return _totals;
    }

    function accrueAccount(address account) external {
        _accrue();
        _setPrincipal(account, userBasic[account].principal);
    }

    function allow(address manager, bool isAllowed_) external {
        isAllowed[msg.sender][manager] = isAllowed_;
        emit Approval(msg.sender, manager, isAllowed_ ? type(uint256).max : 0);
    }

    function hasPermission(address owner, address manager) public view returns (bool) {
        return owner == manager || isAllowed[owner][manager];
    }

    /// By the indices as they were last written.
    function getUtilization() public view returns (uint256) {
        uint256 supplied = _present(_totals.totalSupplyBase, _totals.baseSupplyIndex);
        if (supplied == 0) return 0;
        return _present(_totals.totalBorrowBase, _totals.baseBorrowIndex) * FACTOR_SCALE / supplied;
    }

    function totalSupply() external view returns (uint256) {
        (uint64 index,) = _indicesNow();
        return _present(_totals.totalSupplyBase, index);
    }

    function totalBorrow() external view returns (uint256) {
        (, uint64 index) = _indicesNow();
        return _present(_totals.totalBorrowBase, index);
    }

    function balanceOf(address account) public view returns (uint256) {
        int104 principal = userBasic[account].principal;
        (uint64 index,) = _indicesNow();
        return principal > 0 ? _present(uint104(principal), index) : 0;
    }

    function borrowBalanceOf(address account) public view returns (uint256) {
        int104 principal = userBasic[account].principal;
        (, uint64 index) = _indicesNow();
        return principal < 0 ? _present(uint104(-principal), index) : 0;
    }

    function collateralBalanceOf(address account, address asset) external view returns (uint128) {
        return userCollateral[account][asset].balance;
    }

    function baseTrackingAccrued(address account) external view returns (uint64) {
        return userBasic[account].baseTrackingAccrued;
    }

    function getReserves() public view returns (int256) {
        (uint64 supplyIndex, uint64 borrowIndex) = _indicesNow();
        uint256 held = IErc20(baseToken).balanceOf(address(this));
        return int256(held) - int256(_present(_totals.totalSupplyBase, supplyIndex))
            + int256(_present(_totals.totalBorrowBase, borrowIndex));
    }

    function getCollateralReserves(address asset) public view returns (uint256) {
        return IErc20(asset).balanceOf(address(this)) - totalsCollateral[asset].totalSupplyAsset;
    }

    /// One linear step, by the utilization as it was last written.
    function _indicesNow() internal view returns (uint64 supplyIndex, uint64 borrowIndex) {
        (supplyIndex, borrowIndex) = (_totals.baseSupplyIndex, _totals.baseBorrowIndex);
        uint256 elapsed = block.timestamp - _totals.lastAccrualTime;
        if (elapsed == 0) return (supplyIndex, borrowIndex);
        uint256 utilization = getUtilization();
        supplyIndex += _u64(_factored(supplyIndex, getSupplyRate(utilization) * elapsed));
        borrowIndex += _u64(_factored(borrowIndex, getBorrowRate(utilization) * elapsed));
    }

    function _accrue() internal {
        uint256 elapsed = block.timestamp - _totals.lastAccrualTime;
        if (elapsed == 0) return;
        (_totals.baseSupplyIndex, _totals.baseBorrowIndex) = _indicesNow();
        (uint256 supplied, uint256 borrowed) = (_totals.totalSupplyBase, _totals.totalBorrowBase);
        if (supplied >= baseMinForRewards) {
            _totals.trackingSupplyIndex += _u64(baseTrackingSupplySpeed * elapsed * baseScale / supplied);
        }
        if (borrowed >= baseMinForRewards) {
            _totals.trackingBorrowIndex += _u64(baseTrackingBorrowSpeed * elapsed * baseScale / borrowed);
        }
        _totals.lastAccrualTime = uint40(block.timestamp);
    }

    /// Rounded down, for both sides.
    function _present(uint104 principal, uint64 index) internal pure returns (uint256) {
        return uint256(principal) * index / INDEX_SCALE;
    }

    /// Positive what is held, negative what is owed, by the indices as they were last written.
    function _balance(int104 principal) internal view returns (int256) {
        if (principal >= 0) return int256(_present(uint104(principal), _totals.baseSupplyIndex));
        return -int256(_present(uint104(-principal), _totals.baseBorrowIndex));
    }

    /// The other way: what is held rounds down, what is owed rounds up.
    function _principal(int256 balance) internal view returns (int104) {
        uint64 index = balance >= 0 ? _totals.baseSupplyIndex : _totals.baseBorrowIndex;
        uint256 scaled = uint256(balance >= 0 ? balance : -balance) * INDEX_SCALE;
        uint104 size = _u104(balance >= 0 ? scaled / index : (scaled + index - 1) / index);
        if (size > uint104(type(int104).max)) revert InvalidInt104();
        return balance >= 0 ? int104(size) : -int104(size);
    }

    /// Writes a principal and settles the rewards up to now.
    function _setPrincipal(address account, int104 principal) internal {
        UserBasic storage basic = userBasic[account];
        int104 before = basic.principal;
        uint64 index = before >= 0 ? _totals.trackingSupplyIndex : _totals.trackingBorrowIndex;
        uint256 earned = uint256(uint104(before >= 0 ? before : -before)) * (index - basic.baseTrackingIndex);
        basic.baseTrackingAccrued += _u64(earned / trackingIndexScale / _accrualDescale);
        basic.baseTrackingIndex = principal >= 0 ? _totals.trackingSupplyIndex : _totals.trackingBorrowIndex;
        basic.principal = principal;
    }

    /// What a principal's rise repays and supplies, as principals; nothing if it falls.
    function _risen(int104 from, int104 to) internal pure returns (uint104 repaid, uint104 supplied) {
        if (to < from) return (0, 0);
        return (_negative(from) - _negative(to), _positive(to) - _positive(from));
    }

    /// What a principal's fall withdraws and borrows, as principals; nothing if it rises.
    function _fallen(int104 from, int104 to) internal pure returns (uint104 withdrawn, uint104 borrowed) {
        if (to > from) return (0, 0);
        return (_positive(from) - _positive(to), _negative(to) - _negative(from));
    }

    function _positive(int104 value) private pure returns (uint104) {
        return value > 0 ? uint104(value) : 0;
    }

    function _negative(int104 value) private pure returns (uint104) {
        return value < 0 ? uint104(-value) : 0;
    }
}
