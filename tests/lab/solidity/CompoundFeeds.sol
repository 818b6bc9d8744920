// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

// Price feeds as Compound III markets list them. No package of npm or PyPI is known to hold Compound's own, so
// these are contracts of ours: the published arithmetic and the published getter names (compound-finance/comet,
// contracts/pricefeeds; the contract that each follows is named above it). None has latestAnswer.

interface IRoundFeed {
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
    function decimals() external view returns (uint8);
    function description() external view returns (string memory);
}

interface IVault {
    function convertToAssets(uint256 shares) external view returns (uint256);
    function decimals() external view returns (uint8);
}

interface IRated {
    function getRate() external view returns (uint256);
}

interface IWrapped {
    function tokensPerStEth() external view returns (uint256);
    function decimals() external view returns (uint8);
}

abstract contract CompoundFeed {
    string public description;
    uint8 public immutable decimals;

    constructor(uint8 decimals_, string memory description_) {
        decimals = decimals_;
        description = description_;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, _answer(), block.timestamp, block.timestamp, 1);
    }

    function _answer() internal view virtual returns (int256);

    function _answerOf(address feed) internal view returns (int256 answer) {
        (, answer,,,) = IRoundFeed(feed).latestRoundData();
    }

    function _power(uint256 exponent) internal pure returns (int256) {
        return int256(10 ** exponent);
    }
}

/// ConstantPriceFeed.
contract CompoundConstantFeed is CompoundFeed {
    int256 public immutable constantPrice;

    constructor(uint8 decimals_, int256 price) CompoundFeed(decimals_, "Constant price feed") {
        constantPrice = price;
    }

    function _answer() internal view override returns (int256) {
        return constantPrice;
    }
}

/// Multiplies up, or divides down, to other decimals.
abstract contract Rescaling is CompoundFeed {
    address public immutable underlyingPriceFeed;
    uint8 private immutable _from;

    constructor(address feed, uint8 from) {
        underlyingPriceFeed = feed;
        _from = from;
    }

    function _rescaled(int256 price) internal view returns (int256) {
        return _from < decimals ? price * _power(decimals - _from) : price / _power(_from - decimals);
    }
}

/// ScalingPriceFeed, which has no zero guard.
contract CompoundScalingFeed is Rescaling {
    constructor(IRoundFeed feed, uint8 decimals_)
        CompoundFeed(decimals_, feed.description())
        Rescaling(address(feed), feed.decimals())
    {}

    function _answer() internal view override returns (int256) {
        return _rescaled(_answerOf(underlyingPriceFeed));
    }
}

/// RateBasedScalingPriceFeed: a rate provider in the place of a feed.
contract CompoundRateFeed is Rescaling {
    constructor(address provider, uint8 decimals_, uint8 from, string memory description_)
        CompoundFeed(decimals_, description_)
        Rescaling(provider, from)
    {}

    function _answer() internal view override returns (int256) {
        return _rescaled(int256(IRated(underlyingPriceFeed).getRate()));
    }
}

abstract contract TwoFeeds is CompoundFeed {
    address public immutable priceFeedA;
    address public immutable priceFeedB;
    int256 public immutable priceFeedScale;
    int256 internal immutable _scaleA;
    int256 internal immutable _scaleB;

    constructor(address a, address b) {
        (priceFeedA, priceFeedB) = (a, b);
        (_scaleA, _scaleB) = (_power(IRoundFeed(a).decimals()), _power(IRoundFeed(b).decimals()));
        priceFeedScale = _power(decimals);
    }

    function _answer() internal view override returns (int256) {
        (int256 a, int256 b) = (_answerOf(priceFeedA), _answerOf(priceFeedB));
        return a > 0 && b > 0 ? _combined(a, b) : int256(0);
    }

    function _combined(int256 a, int256 b) internal view virtual returns (int256);
}

/// MultiplicativePriceFeed: A times B.
contract CompoundMultiplicativeFeed is TwoFeeds {
    constructor(address a, address b, uint8 decimals_, string memory description_)
        CompoundFeed(decimals_, description_)
        TwoFeeds(a, b)
    {}

    function combinedScale() public view returns (int256) {
        return _scaleA * _scaleB;
    }

    function _combined(int256 a, int256 b) internal view override returns (int256) {
        return a * b * priceFeedScale / combinedScale();
    }
}

/// ReverseMultiplicativePriceFeed: A divided by B, rounded down twice.
contract CompoundReverseFeed is TwoFeeds {
    constructor(address a, address b, uint8 decimals_, string memory description_)
        CompoundFeed(decimals_, description_)
        TwoFeeds(a, b)
    {}

    function priceFeedAScale() external view returns (int256) {
        return _scaleA;
    }

    function priceFeedBScale() external view returns (int256) {
        return _scaleB;
    }

    function _combined(int256 a, int256 b) internal view override returns (int256) {
        return a * _scaleB * priceFeedScale / b / _scaleA;
    }
}

/// PriceFeedWith4626Support: a vault's share, by the price of what is in the vault.
contract CompoundVaultFeed is CompoundFeed {
    address public immutable rateProvider;
    address public immutable underlyingPriceFeed;
    int256 public immutable combinedScale;
    int256 public immutable priceFeedScale;

    constructor(address vault, address feed, uint8 decimals_, string memory description_)
        CompoundFeed(decimals_, description_)
    {
        (rateProvider, underlyingPriceFeed) = (vault, feed);
        combinedScale = _power(uint256(IVault(vault).decimals()) + IRoundFeed(feed).decimals());
        priceFeedScale = _power(decimals_);
    }

    function _answer() internal view override returns (int256) {
        uint256 rate = IVault(rateProvider).convertToAssets(10 ** IVault(rateProvider).decimals());
        int256 price = _answerOf(underlyingPriceFeed);
        return rate > 0 && price > 0 ? int256(rate) * price * priceFeedScale / combinedScale : int256(0);
    }
}

/// WstETHPriceFeed: stETH's price divided by how many of the wrapped token one stETH is, rounded down twice.
contract CompoundWrappedFeed is CompoundFeed {
    address public immutable stETHtoETHPriceFeed;
    address public immutable wstETH;
    uint256 public immutable stETHToETHPriceFeedDecimals;
    int256 public immutable wstETHScale;

    constructor(address feed, address wrapped, uint8 decimals_)
        CompoundFeed(decimals_, "Custom price feed for wstETH / ETH")
    {
        (stETHtoETHPriceFeed, wstETH) = (feed, wrapped);
        stETHToETHPriceFeedDecimals = IRoundFeed(feed).decimals();
        wstETHScale = _power(IWrapped(wrapped).decimals());
    }

    function _answer() internal view override returns (int256) {
        int256 price = _answerOf(stETHtoETHPriceFeed) * wstETHScale / int256(IWrapped(wstETH).tokensPerStEth());
        return price / _power(stETHToETHPriceFeedDecimals - decimals);
    }
}
