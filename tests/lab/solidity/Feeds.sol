// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// A price feed whose answer anyone may set. The answer lies in slot 0, where a state override finds it.
contract SettableFeed {
    int256 public latestAnswer;
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

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (1, latestAnswer, block.timestamp, block.timestamp, 1);
    }
}

/// How much of the base asset one staked token is worth, with 18 decimals. Anyone may set it.
contract SettableRatio {
    int256 public getRatio;

    constructor(int256 ratio) {
        getRatio = ratio;
    }

    function setRatio(int256 ratio) external {
        getRatio = ratio;
    }
}

/// The price of a staked token: the base feed times the ratio, rounded down.
/// Its getters are named like those of Aave's own price adapters, so that a resolver finds what moves it.
contract RatioFeed {
    SettableFeed public immutable BASE_TO_USD_AGGREGATOR;
    SettableRatio public immutable RATIO_PROVIDER;
    uint8 public constant RATIO_DECIMALS = 18;
    string public description;

    constructor(SettableFeed base, SettableRatio ratio, string memory description_) {
        BASE_TO_USD_AGGREGATOR = base;
        RATIO_PROVIDER = ratio;
        description = description_;
    }

    function decimals() external view returns (uint8) {
        return BASE_TO_USD_AGGREGATOR.decimals();
    }

    function getRatio() public view returns (int256) {
        return RATIO_PROVIDER.getRatio();
    }

    function latestAnswer() external view returns (int256) {
        int256 base = BASE_TO_USD_AGGREGATOR.latestAnswer();
        int256 ratio = getRatio();
        if (base <= 0 || ratio <= 0) return 0;
        return (base * ratio) / int256(10 ** uint256(RATIO_DECIMALS));
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
