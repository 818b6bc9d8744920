// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

// The price oracle of Compound v2 forks over Chainlink feeds. The fork in the lab knows coins of its own by name,
// so this is a contract of ours: the published arithmetic, getters and events of Moonwell's ChainlinkOracle and
// Benqi's BenqiChainlinkOracle, without roles.

interface IUsdFeed {
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
    function decimals() external view returns (uint8);
}

interface IUnderlying {
    function symbol() external view returns (string memory);
    function decimals() external view returns (uint8);
}

interface IListed {
    function symbol() external view returns (string memory);
    function underlying() external view returns (address);
}

contract CompoundOracle {
    bool public constant isPriceOracle = true;
    /// Hash of the symbol of the market that has no underlying.
    bytes32 public immutable nativeToken;
    /// Posted by hand, with 18 decimals; these win over feeds.
    mapping(address => uint256) public assetPrices;
    mapping(bytes32 => address) private _feeds;

    event FeedSet(address feed, string symbol);
    event PricePosted(
        address asset, uint256 previousPriceMantissa, uint256 requestedPriceMantissa, uint256 newPriceMantissa
    );

    constructor(string memory native) {
        nativeToken = keccak256(bytes(native));
    }

    /// Dollars of one base unit, times 10^36.
    function getUnderlyingPrice(IListed market) external view returns (uint256) {
        string memory symbol = market.symbol();
        if (keccak256(bytes(symbol)) == nativeToken) return _answer(getFeed(symbol));
        address asset = market.underlying();
        uint256 price = assetPrices[asset];
        if (price == 0) price = _answer(getFeed(IUnderlying(asset).symbol()));
        return price * 10 ** (18 - IUnderlying(asset).decimals());
    }

    /// The feed of an underlying's symbol; of the market's own where it has no underlying.
    function getFeed(string memory symbol) public view returns (address) {
        return _feeds[keccak256(bytes(symbol))];
    }

    function setFeed(string calldata symbol, address feed) external {
        _feeds[keccak256(bytes(symbol))] = feed;
        emit FeedSet(feed, symbol);
    }

    function setDirectPrice(address asset, uint256 price) external {
        emit PricePosted(asset, assetPrices[asset], price, price);
        assetPrices[asset] = price;
    }

    function _answer(address feed) private view returns (uint256) {
        (, int256 answer,, uint256 updatedAt,) = IUsdFeed(feed).latestRoundData();
        require(answer > 0, "no price");
        require(updatedAt != 0, "no round");
        return uint256(answer) * 10 ** (18 - IUsdFeed(feed).decimals());
    }
}
