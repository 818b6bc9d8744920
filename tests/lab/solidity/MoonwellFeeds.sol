// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

// Moonwell's composite feeds (moonwell-fi/moonwell-contracts-v2, src/oracles): contracts of ours with the published
// arithmetic and getter names, without owner, fees and liquidation; the contract that each follows is named above it.

interface IAnswering {
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
    function decimals() external view returns (uint8);
}

/// ChainlinkCompositeOracle: the product of two or three feeds, each with 18 decimals before they are multiplied.
contract MoonwellComposite {
    uint8 public constant decimals = 18;
    address public immutable base;
    address public immutable multiplier;
    /// May be no address.
    address public immutable secondMultiplier;

    constructor(address base_, address multiplier_, address secondMultiplier_) {
        (base, multiplier, secondMultiplier) = (base_, multiplier_, secondMultiplier_);
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        int256 product = _whole(base) * _whole(multiplier);
        int256 one = 1e18;
        if (secondMultiplier != address(0)) {
            product *= _whole(secondMultiplier);
            one *= 1e18;
        }
        return (0, product / one, 0, block.timestamp, 0);
    }

    function _whole(address feed) private view returns (int256) {
        (uint80 round, int256 answer,,, uint80 answeredIn) = IAnswering(feed).latestRoundData();
        require(answer > 0 && round == answeredIn, "CLCOracle: Oracle data is invalid");
        uint8 has = IAnswering(feed).decimals();
        return has <= decimals ? answer * int256(10 ** (decimals - has)) : answer / int256(10 ** (has - decimals));
    }
}

/// ChainlinkCompositeOEVWrapper: after a new round of the base feed, the answer kept from before it, for a while.
contract MoonwellCompositeWrapper {
    string public constant description = "Chainlink Composite OEV Wrapper";
    IAnswering public immutable compositeOracle;
    IAnswering public immutable baseFeed;
    uint256 public immutable maxRoundDelay;
    uint256 public cachedBaseRoundId;
    int256 public cachedCompositePrice;
    uint256 public cachedTimestamp;

    constructor(IAnswering composite, IAnswering feed, uint256 delay) {
        (compositeOracle, baseFeed, maxRoundDelay) = (composite, feed, delay);
        (cachedBaseRoundId,,,,) = feed.latestRoundData();
        (, cachedCompositePrice,, cachedTimestamp,) = composite.latestRoundData();
    }

    /// Any round but the base feed's lets the kept answer count.
    function setCachedBaseRoundId(uint256 round) external {
        cachedBaseRoundId = round;
    }

    function decimals() external view returns (uint8) {
        return compositeOracle.decimals();
    }

    function latestRoundData() external view returns (uint80, int256 answer, uint256, uint256 updatedAt, uint80) {
        (uint80 round,,, uint256 writtenAt,) = baseFeed.latestRoundData();
        if (round == cachedBaseRoundId || block.timestamp >= writtenAt + maxRoundDelay) {
            (, answer,, updatedAt,) = compositeOracle.latestRoundData();
        } else {
            (answer, updatedAt) = (cachedCompositePrice, cachedTimestamp);
        }
        require(answer > 0, "Chainlink price cannot be lower or equal to 0");
        return (0, answer, 0, updatedAt, 0);
    }
}
