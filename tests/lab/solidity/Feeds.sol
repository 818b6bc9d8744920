// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// A price feed whose answer anyone may set. The answer lies in slot 0, where a state override finds it.
contract SettableFeed {
    int256 public latestAnswer;
    /// When the answer was written; 0 lets it be as new as the block that is asked.
    uint256 public writtenAt;
    uint8 public immutable decimals;
    string public description;

    constructor(int256 answer, uint8 decimals_, string memory description_) {
        latestAnswer = answer;
        decimals = decimals_;
        description = description_;
    }

    function setAnswer(int256 answer) external {
        latestAnswer = answer;
    }

    function setWrittenAt(uint256 timestamp) external {
        writtenAt = timestamp;
    }

    function latestTimestamp() public view returns (uint256) {
        return writtenAt == 0 ? block.timestamp : writtenAt;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, latestAnswer, latestTimestamp(), latestTimestamp(), 1);
    }
}

/// Stands before a feed, as the addresses do under which feeds are published. Anyone may put another behind it.
contract FeedProxy {
    SettableFeed public aggregator;

    constructor(SettableFeed aggregator_) {
        aggregator = aggregator_;
    }

    function setAggregator(SettableFeed aggregator_) external {
        aggregator = aggregator_;
    }

    function decimals() external view returns (uint8) {
        return aggregator.decimals();
    }

    function description() external view returns (string memory) {
        return aggregator.description();
    }

    function latestAnswer() external view returns (int256) {
        return aggregator.latestAnswer();
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return aggregator.latestRoundData();
    }
}

/// An exchange rate that anyone may set, in slot 0. It answers under the names that adapters ask for.
contract SettableRatio {
    int256 public getRatio;
    uint8 public immutable decimals;

    constructor(int256 ratio, uint8 decimals_) {
        getRatio = ratio;
        decimals = decimals_;
    }

    function setRatio(int256 ratio) external {
        getRatio = ratio;
    }

    /// stETH, for Aave's adapter of wstETH.
    function getPooledEthByShares(uint256 shares) external view returns (uint256) {
        return _worth(shares);
    }

    /// wstETH, for Compound's feed.
    function tokensPerStEth() external view returns (uint256) {
        return uint256(getRatio);
    }

    /// ERC-4626 vaults.
    function convertToAssets(uint256 shares) external view returns (uint256) {
        return _worth(shares);
    }

    /// Rate providers.
    function getRate() external view returns (uint256) {
        return uint256(getRatio);
    }

    function _worth(uint256 shares) private view returns (uint256) {
        return (uint256(getRatio) * shares) / 10 ** decimals;
    }
}

/// An L2 sequencer's uptime feed: answer 0 is up, 1 is down.
contract SettableSequencer {
    int256 public answer;
    uint256 public startedAt;

    function set(int256 answer_, uint256 startedAt_) external {
        answer = answer_;
        startedAt = startedAt_;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, answer, startedAt, startedAt, 1);
    }
}
