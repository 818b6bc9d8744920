// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

// Compound III's capped ratios (woof-software/compound-capo): contracts of ours with the published arithmetic and
// getter names, without manager, bounds and events; the contract that each follows is named above it. Anyone may
// set a snapshot. Those published for wstETH, rETH and rsETH differ from the first only in what they ask.

import {CompoundFeed, IRated, IVault} from "./CompoundFeeds.sol";

interface IPriced {
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
    function decimals() external view returns (uint8);
}

/// PriceCapAdapterBase: base price times a ratio under a cap that grows; other decimals only after the division.
abstract contract RatioCap is CompoundFeed {
    address public immutable assetToBaseAggregator;
    address public immutable ratioProvider;
    uint8 public immutable ratioDecimals;
    uint8 private immutable _baseDecimals;
    uint256 public snapshotRatio;
    uint256 public snapshotTimestamp;
    uint256 public maxRatioGrowthPerSecond;
    uint256 public maxYearlyRatioGrowthPercent;

    constructor(address base, address provider, uint8 ratioDecimals_) {
        (assetToBaseAggregator, ratioProvider) = (base, provider);
        ratioDecimals = ratioDecimals_;
        _baseDecimals = IPriced(base).decimals();
    }

    /// The percent has two decimals more: 968 is 9.68% a year.
    function setSnapshot(uint256 ratio, uint256 timestamp, uint256 percent) external {
        (snapshotRatio, snapshotTimestamp, maxYearlyRatioGrowthPercent) = (ratio, timestamp, percent);
        maxRatioGrowthPerSecond = ratio * percent * _scale() / 10_000 / 365 days;
    }

    function isCapped() external view returns (bool) {
        return getRatio() > _cap();
    }

    function getRatio() public view virtual returns (int256);

    function _answer() internal view override returns (int256) {
        (int256 ratio, int256 price) = (getRatio(), _answerOf(assetToBaseAggregator));
        if (ratio <= 0 || price <= 0) return 0;
        int256 most = _cap();
        int256 product = price * (ratio < most ? ratio : most) / _power(ratioDecimals);
        if (decimals > _baseDecimals) return product * _power(decimals - _baseDecimals);
        return product / _power(_baseDecimals - decimals);
    }

    function _cap() private view returns (int256) {
        uint256 elapsed = block.timestamp - snapshotTimestamp;
        return int256(snapshotRatio + maxRatioGrowthPerSecond * elapsed / _scale());
    }

    function _scale() internal pure virtual returns (uint256);
}

abstract contract ScaledRatioCap is RatioCap {
    uint256 public constant GROWTH_RATIO_SCALE = 1e10;

    function _scale() internal pure override returns (uint256) {
        return GROWTH_RATIO_SCALE;
    }
}

/// RateBasedCorrelatedAssetsPriceOracle with its MarketPriceAdapter, which may be no address.
contract CompoundRateCap is ScaledRatioCap {
    address public immutable marketAggregator;

    constructor(address base, address rate, uint8 ratioDecimals_, uint8 decimals_, string memory name, address market)
        CompoundFeed(decimals_, name)
        RatioCap(base, rate, ratioDecimals_)
    {
        marketAggregator = market;
    }

    function getRatio() public view override returns (int256) {
        int256 rate = int256(IRated(ratioProvider).getRate());
        if (marketAggregator == address(0)) return rate;
        int256 market = _answerOf(marketAggregator);
        return market <= 0 ? int256(0) : rate * market / _power(IPriced(marketAggregator).decimals());
    }
}

/// ERC4626CorrelatedAssetsPriceOracle: what one share is worth, with the decimals of the asset in the vault.
contract CompoundVaultCap is ScaledRatioCap {
    constructor(address base, address vault, uint8 ratioDecimals_, uint8 decimals_, string memory name)
        CompoundFeed(decimals_, name)
        RatioCap(base, vault, ratioDecimals_)
    {}

    function getRatio() public view override returns (int256) {
        return int256(IVault(ratioProvider).convertToAssets(10 ** IVault(ratioProvider).decimals()));
    }
}

/// ChainlinkCorrelatedAssetsPriceOracle: the ratio is a feed's answer.
contract CompoundFeedCap is ScaledRatioCap {
    constructor(address base, address feed, uint8 decimals_, string memory name)
        CompoundFeed(decimals_, name)
        RatioCap(base, feed, IPriced(feed).decimals())
    {}

    function getRatio() public view override returns (int256) {
        return _answerOf(ratioProvider);
    }
}

/// PriceCapAdapterBase before it had GROWTH_RATIO_SCALE: the growth per second is a whole number.
contract CompoundUnscaledCap is RatioCap {
    constructor(address base, address rate, uint8 ratioDecimals_, uint8 decimals_, string memory name)
        CompoundFeed(decimals_, name)
        RatioCap(base, rate, ratioDecimals_)
    {}

    function getRatio() public view override returns (int256) {
        return int256(IRated(ratioProvider).getRate());
    }

    function _scale() internal pure override returns (uint256) {
        return 1;
    }
}
