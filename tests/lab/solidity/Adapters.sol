// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

// Price adapters as Aave's markets list them. No package of npm or PyPI is known to hold Aave's own, so these are
// contracts of ours: the published arithmetic and the published getter names (aave-dao/aave-price-feeds; the
// contract that each follows is named above it), without roles, bounds and events. Anyone may set a parameter,
// so that tests reach every state. The description lies in slot 0, parameters from slot 1 on.

interface IAggregator {
    function latestAnswer() external view returns (int256);
    function decimals() external view returns (uint8);
}

interface IStakedEther {
    function getPooledEthByShares(uint256 shares) external view returns (uint256);
}

interface IMaturing {
    function expiry() external view returns (uint256);
}

interface IConverter {
    function rate() external view returns (uint256);
    function fee() external view returns (uint256);
}

abstract contract Adapter {
    string public description;
    uint8 public immutable decimals;

    constructor(uint8 decimals_, string memory description_) {
        decimals = decimals_;
        description = description_;
    }

    function latestAnswer() external view virtual returns (int256);
}

/// An adapter with parameters, which somebody has the right to set. Here it names nobody: everybody has.
abstract contract Managed is Adapter {
    address public constant ACL_MANAGER = address(0);
}

/// Asset in a peg times the peg in the base currency. CLSynchronicityPriceAdapterPegToBase.
contract PegToBaseAdapter is Adapter {
    IAggregator public immutable PEG_TO_BASE;
    IAggregator public immutable ASSET_TO_PEG;
    int256 public immutable DENOMINATOR;

    constructor(IAggregator pegToBase, IAggregator assetToPeg, uint8 decimals_, string memory description_)
        Adapter(decimals_, description_)
    {
        PEG_TO_BASE = pegToBase;
        ASSET_TO_PEG = assetToPeg;
        DENOMINATOR = int256(10 ** (uint256(pegToBase.decimals()) + assetToPeg.decimals()));
    }

    function DECIMALS() external view returns (uint8) {
        return decimals;
    }

    function latestAnswer() external view override returns (int256) {
        (int256 asset, int256 peg) = (ASSET_TO_PEG.latestAnswer(), PEG_TO_BASE.latestAnswer());
        return asset > 0 && peg > 0 ? asset * peg * int256(10 ** uint256(decimals)) / DENOMINATOR : int256(0);
    }
}

/// Asset in a peg divided by the base currency in that peg. CLSynchronicityPriceAdapterBaseToPeg.
contract BaseToPegAdapter is Adapter {
    IAggregator public immutable BASE_TO_PEG;
    IAggregator public immutable ASSET_TO_PEG;

    constructor(IAggregator baseToPeg, IAggregator assetToPeg, uint8 decimals_, string memory description_)
        Adapter(decimals_, description_)
    {
        require(baseToPeg.decimals() == assetToPeg.decimals(), "decimals differ");
        BASE_TO_PEG = baseToPeg;
        ASSET_TO_PEG = assetToPeg;
    }

    function DECIMALS() external view returns (uint8) {
        return decimals;
    }

    function latestAnswer() external view override returns (int256) {
        (int256 asset, int256 base) = (ASSET_TO_PEG.latestAnswer(), BASE_TO_PEG.latestAnswer());
        return asset > 0 && base > 0 ? asset * int256(10 ** uint256(decimals)) / base : int256(0);
    }
}

/// A number of basis points of the peg, in the base currency. FixedRatioSynchronicityPriceAdapterBaseToPeg.
contract FixedRatioAdapter is Adapter {
    IAggregator public immutable BASE_TO_PEG;
    int256 public PRICE_RATIO;
    int256 public immutable MULTIPLIER;

    constructor(IAggregator baseToPeg, int256 ratio, uint8 decimals_, string memory description_)
        Adapter(decimals_, description_)
    {
        BASE_TO_PEG = baseToPeg;
        PRICE_RATIO = ratio;
        MULTIPLIER = int256(10 ** (uint256(baseToPeg.decimals()) + decimals_));
    }

    function setRatio(int256 ratio) external {
        PRICE_RATIO = ratio;
    }

    function DECIMALS() external view returns (uint8) {
        return decimals;
    }

    function latestAnswer() external view override returns (int256) {
        int256 base = BASE_TO_PEG.latestAnswer();
        return base > 0 ? PRICE_RATIO * MULTIPLIER / (10_000 * base) : int256(0);
    }
}

/// A staked token: the base price times a ratio that cannot outgrow its cap. PriceCapAdapterBase, with the ratio
/// of WstETHPriceCapAdapter.
contract RatioCapAdapter is Managed {
    uint256 public getSnapshotRatio;
    uint256 public getSnapshotTimestamp;
    /// Ratio per second, times SCALING_FACTOR.
    uint256 internal _growth;
    uint256 public getMaxYearlyGrowthRatePercent;
    uint256 public constant PERCENTAGE_FACTOR = 10_000;
    uint256 public constant SECONDS_PER_YEAR = 365 days;
    IAggregator public immutable BASE_TO_USD_AGGREGATOR;
    address public immutable RATIO_PROVIDER;
    uint8 public immutable RATIO_DECIMALS;

    constructor(IAggregator base, address ratio, uint8 ratioDecimals, string memory description_)
        Adapter(base.decimals(), description_)
    {
        BASE_TO_USD_AGGREGATOR = base;
        RATIO_PROVIDER = ratio;
        RATIO_DECIMALS = ratioDecimals;
    }

    /// Since when the cap grows, from which ratio, and by how many basis points of it in a year.
    function setCapParameters(uint256 ratio, uint256 timestamp, uint256 yearlyGrowth) external {
        getSnapshotRatio = ratio;
        getSnapshotTimestamp = timestamp;
        getMaxYearlyGrowthRatePercent = yearlyGrowth;
        _growth = ratio * yearlyGrowth * _scale() / PERCENTAGE_FACTOR / SECONDS_PER_YEAR;
    }

    function DECIMALS() external view returns (uint8) {
        return decimals;
    }

    function getMaxRatioGrowthPerSecond() external view returns (uint256) {
        return _growth / _scale();
    }

    function getRatio() public view returns (int256) {
        return int256(IStakedEther(RATIO_PROVIDER).getPooledEthByShares(10 ** RATIO_DECIMALS));
    }

    function isCapped() external view returns (bool) {
        return getRatio() > _cap();
    }

    function latestAnswer() external view override returns (int256) {
        (int256 base, int256 ratio) = (BASE_TO_USD_AGGREGATOR.latestAnswer(), getRatio());
        if (base <= 0 || ratio <= 0) return 0;
        int256 cap = _cap();
        return base * (ratio < cap ? ratio : cap) / int256(10 ** RATIO_DECIMALS);
    }

    function _cap() private view returns (int256) {
        return int256(getSnapshotRatio + _growth * (block.timestamp - getSnapshotTimestamp) / _scale());
    }

    function _scale() internal pure virtual returns (uint256) {
        return 1;
    }
}

/// The same with a growth that keeps six more digits: PriceCapAdapterBase since September 2025.
contract ScaledRatioCapAdapter is RatioCapAdapter {
    uint256 public constant SCALING_FACTOR = 1e6;

    constructor(IAggregator base, address ratio, uint8 ratioDecimals, string memory description_)
        RatioCapAdapter(base, ratio, ratioDecimals, description_)
    {}

    function getMaxRatioGrowthPerSecondScaled() external view returns (uint256) {
        return _growth;
    }

    function _scale() internal pure override returns (uint256) {
        return SCALING_FACTOR;
    }
}

/// A stablecoin that is worth no more than its cap. PriceCapAdapterStable.
contract StableCapAdapter is Managed {
    int256 public getPriceCap;
    IAggregator public immutable ASSET_TO_USD_AGGREGATOR;

    constructor(IAggregator asset, int256 cap, string memory description_) Adapter(asset.decimals(), description_) {
        ASSET_TO_USD_AGGREGATOR = asset;
        getPriceCap = cap;
    }

    function setPriceCap(int256 cap) external {
        getPriceCap = cap;
    }

    function isCapped() external view returns (bool) {
        return ASSET_TO_USD_AGGREGATOR.latestAnswer() > getPriceCap;
    }

    function latestAnswer() external view override returns (int256) {
        int256 price = ASSET_TO_USD_AGGREGATOR.latestAnswer();
        if (price > getPriceCap) return getPriceCap;
        return price > 0 ? price : int256(0);
    }
}

/// A euro coin that is worth no more than so many euros. EURPriceCapAdapterStable, which has no zero guard.
contract EuroCapAdapter is Managed {
    int256 public getPriceCapRatio;
    IAggregator public immutable ASSET_TO_USD_AGGREGATOR;
    IAggregator public immutable BASE_TO_USD_AGGREGATOR;
    uint8 public immutable RATIO_DECIMALS;

    constructor(IAggregator asset, IAggregator base, int256 capRatio, uint8 ratioDecimals, string memory description_)
        Adapter(asset.decimals(), description_)
    {
        ASSET_TO_USD_AGGREGATOR = asset;
        BASE_TO_USD_AGGREGATOR = base;
        RATIO_DECIMALS = ratioDecimals;
        getPriceCapRatio = capRatio;
    }

    function setPriceCapRatio(int256 capRatio) external {
        getPriceCapRatio = capRatio;
    }

    function isCapped() external view returns (bool) {
        return ASSET_TO_USD_AGGREGATOR.latestAnswer() > _cap();
    }

    function latestAnswer() external view override returns (int256) {
        (int256 asset, int256 cap) = (ASSET_TO_USD_AGGREGATOR.latestAnswer(), _cap());
        return asset > cap ? cap : asset;
    }

    function _cap() private view returns (int256) {
        return BASE_TO_USD_AGGREGATOR.latestAnswer() * getPriceCapRatio / int256(10 ** uint256(RATIO_DECIMALS));
    }
}

/// A principal token, as much below its asset as its yearly discount and the time to maturity say.
/// PendlePriceCapAdapter.
contract DiscountAdapter is Managed {
    uint256 public discountRatePerYear;
    uint256 public constant PERCENTAGE_FACTOR = 1e18;
    uint256 public constant SECONDS_PER_YEAR = 365 days;
    IAggregator public immutable ASSET_TO_USD_AGGREGATOR;
    address public immutable PENDLE_PRINCIPAL_TOKEN;
    uint256 public immutable MATURITY;
    uint256 public immutable MAX_DISCOUNT_RATE_PER_YEAR;

    constructor(IAggregator asset, address principal, uint256 rate, uint256 maximum, string memory description_)
        Adapter(asset.decimals(), description_)
    {
        ASSET_TO_USD_AGGREGATOR = asset;
        PENDLE_PRINCIPAL_TOKEN = principal;
        MATURITY = IMaturing(principal).expiry();
        MAX_DISCOUNT_RATE_PER_YEAR = maximum;
        discountRatePerYear = rate;
    }

    function setDiscountRatePerYear(uint256 rate) external {
        discountRatePerYear = rate;
    }

    function DECIMALS() external view returns (uint8) {
        return decimals;
    }

    function getCurrentDiscount() public view returns (uint256) {
        uint256 left = MATURITY > block.timestamp ? MATURITY - block.timestamp : 0;
        return left * discountRatePerYear / SECONDS_PER_YEAR;
    }

    function latestAnswer() external view override returns (int256) {
        int256 asset = ASSET_TO_USD_AGGREGATOR.latestAnswer();
        if (asset <= 0) return 0;
        return int256(uint256(asset) * (PERCENTAGE_FACTOR - getCurrentDiscount()) / PERCENTAGE_FACTOR);
    }
}

/// A token that is worth its asset on one day.
contract Principal {
    uint256 public immutable expiry;

    constructor(uint256 expiry_) {
        expiry = expiry_;
    }
}

/// A price that somebody wrote down. FixedPriceAdapter.
contract FixedPriceAdapter is Managed {
    int256 public price;

    constructor(int256 price_, uint8 decimals_, string memory description_) Adapter(decimals_, description_) {
        price = price_;
    }

    function setPrice(int256 price_) external {
        price = price_;
    }

    function DECIMALS() external view returns (uint8) {
        return decimals;
    }

    function latestAnswer() external view override returns (int256) {
        return price;
    }
}

/// One dollar. OneUSDFixedAdapter.
contract OneDollarAdapter is Adapter {
    int256 public constant ONE_USD = 1e8;

    constructor() Adapter(8, "ONE USD") {}

    function DECIMALS() external view returns (uint8) {
        return decimals;
    }

    function latestAnswer() external pure override returns (int256) {
        return ONE_USD;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (0, ONE_USD, block.timestamp, block.timestamp, 0);
    }
}

/// An old token that converts to so many new ones, less a fee. DiscountedMKRSKYAdapter, whose feed and converter
/// are constants.
contract ConvertedAdapter is Adapter {
    IAggregator public immutable REFERENCE_FEED;
    IConverter public immutable DISCOUNT_PROVIDER;
    uint256 public immutable EXCHANGE_RATE;

    constructor(IAggregator reference_, IConverter converter, string memory description_)
        Adapter(reference_.decimals(), description_)
    {
        REFERENCE_FEED = reference_;
        DISCOUNT_PROVIDER = converter;
        EXCHANGE_RATE = converter.rate();
    }

    function DECIMALS() external view returns (uint8) {
        return decimals;
    }

    function DESCRIPTION() external view returns (string memory) {
        return description;
    }

    function discount() public view returns (uint256) {
        return DISCOUNT_PROVIDER.fee();
    }

    function latestAnswer() external view override returns (int256) {
        int256 price = REFERENCE_FEED.latestAnswer();
        return price > 0 ? int256(uint256(price) * EXCHANGE_RATE * (1e18 - discount()) / 1e18) : int256(0);
    }
}

/// Rate and fee of a conversion. Anyone may set the fee.
contract Converter {
    uint256 public fee;
    uint256 public immutable rate;

    constructor(uint256 rate_, uint256 fee_) {
        rate = rate_;
        fee = fee_;
    }

    function setFee(uint256 fee_) external {
        fee = fee_;
    }
}
