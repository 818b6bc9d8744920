// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

// What dYdX's SoloMargin and its operations agree upon: enums, structs and their order in storage, as published
// (dydxprotocol/solo: Types, Interest, Account, Actions and Storage). SoloMargin is real bytecode that hands its
// storage to a linked library, so these names, which the library's selector is made of, and this layout have to be
// the published ones. A struct of a single word is written here as that word: the layout is the same.

library Types {
    enum AssetDenomination {
        Wei,
        Par
    }

    enum AssetReference {
        Delta,
        Target
    }

    struct AssetAmount {
        bool sign;
        AssetDenomination denomination;
        AssetReference ref;
        uint256 value;
    }

    struct TotalPar {
        uint128 borrow;
        uint128 supply;
    }

    struct Par {
        bool sign;
        uint128 value;
    }

    struct Wei {
        bool sign;
        uint256 value;
    }
}

library Interest {
    struct Index {
        uint96 borrow;
        uint96 supply;
        uint32 lastUpdate;
    }
}

library Account {
    enum Status {
        Normal,
        Liquid,
        Vapor
    }

    struct Info {
        address owner;
        uint256 number;
    }

    struct Storage {
        mapping(uint256 => Types.Par) balances;
        Status status;
    }
}

library Actions {
    enum ActionType {
        Deposit,
        Withdraw,
        Transfer,
        Buy,
        Sell,
        Trade,
        Liquidate,
        Vaporize,
        Call
    }

    struct ActionArgs {
        ActionType actionType;
        uint256 accountId;
        Types.AssetAmount amount;
        uint256 primaryMarketId;
        uint256 secondaryMarketId;
        address otherAddress;
        uint256 otherAccountId;
        bytes data;
    }
}

library Storage {
    struct Market {
        address token;
        Types.TotalPar totalPar;
        Interest.Index index;
        address priceOracle;
        address interestSetter;
        uint256 marginPremium;
        uint256 spreadPremium;
        bool isClosing;
    }

    struct RiskParams {
        uint256 marginRatio;
        uint256 liquidationSpread;
        uint256 earningsRate;
        uint256 minBorrowedValue;
    }

    struct RiskLimits {
        uint64 marginRatioMax;
        uint64 liquidationSpreadMax;
        uint64 earningsRateMax;
        uint64 marginPremiumMax;
        uint64 spreadPremiumMax;
        uint128 minBorrowedValueMax;
    }

    struct State {
        uint256 numMarkets;
        mapping(uint256 => Market) markets;
        mapping(address => mapping(uint256 => Account.Storage)) accounts;
        mapping(address => mapping(address => bool)) operators;
        mapping(address => bool) globalOperators;
        RiskParams riskParams;
        RiskLimits riskLimits;
    }
}

struct BalanceUpdate {
    Types.Wei deltaWei;
    Types.Par newPar;
}

interface ISoloToken {
    function balanceOf(address owner) external view returns (uint256);
    function transfer(address to, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);
    function approve(address spender, uint256 value) external returns (bool);
    function mint(address to, uint256 value) external;
}

interface ISoloOracle {
    function getPrice(address token) external view returns (uint256);
}

interface ISoloSetter {
    function getInterestRate(address token, uint256 borrowWei, uint256 supplyWei) external view returns (uint256);
}

interface ISoloCallee {
    function callFunction(address sender, Account.Info memory account, bytes memory data) external;
}

interface ISoloTrader {
    function getTradeCost(
        uint256 inputMarketId,
        uint256 outputMarketId,
        Account.Info memory makerAccount,
        Account.Info memory takerAccount,
        Types.Par memory oldInputPar,
        Types.Par memory newInputPar,
        Types.Wei memory inputWei,
        bytes memory data
    ) external returns (Types.AssetAmount memory);
}

interface ISoloExchange {
    function getExchangeCost(address makerToken, address takerToken, uint256 desired, bytes calldata data)
        external
        view
        returns (uint256);
    function exchange(
        address originator,
        address receiver,
        address makerToken,
        address takerToken,
        uint256 requested,
        bytes calldata data
    ) external returns (uint256);
}

/// An exchange at any price: an order is what it costs and what it gives, which is minted.
contract SoloExchange is ISoloExchange {
    function getExchangeCost(address, address, uint256, bytes calldata data) external pure returns (uint256 cost) {
        (cost,) = abi.decode(data, (uint256, uint256));
    }

    function exchange(address, address receiver, address makerToken, address, uint256, bytes calldata data)
        external
        returns (uint256 given)
    {
        (, given) = abi.decode(data, (uint256, uint256));
        ISoloToken(makerToken).mint(address(this), given);
        ISoloToken(makerToken).approve(receiver, given);
    }
}

/// The price of one token's base unit, settable: all that a market asks of its oracle.
contract SoloOracle {
    uint256 public price; // slot 0

    constructor(uint256 first) {
        price = first;
    }

    function setPrice(uint256 next) external {
        price = next;
    }

    function getPrice(address) external view returns (uint256) {
        return price;
    }
}
