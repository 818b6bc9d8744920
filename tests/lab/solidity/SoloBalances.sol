// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

// Balances, values and interest of Solo: the published arithmetic (dydxprotocol/solo: Storage, Interest, Types, Math
// and Decimal), for the operations of ours that run on SoloMargin's storage.

import {Account, Interest, Storage, Types} from "./SoloLayout.sol";
import {ISoloOracle, ISoloSetter, ISoloToken} from "./SoloLayout.sol";
import {SoloTexts} from "./SoloTexts.sol";

/// What an operation has seen of a market when it first met it. A price of 0: not met.
struct Seen {
    uint256 price;
    bool closing;
    uint128 borrowPar;
}

library SoloBalances {
    using SoloBalances for Storage.State;
    using SoloBalances for Types.Wei;

    uint256 internal constant BASE = 1e18;

    // ---- signed amounts: a zero keeps the sign it came to, as it does there

    function plus(Types.Wei memory a, Types.Wei memory b) internal pure returns (Types.Wei memory) {
        if (a.sign == b.sign) return Types.Wei(a.sign, a.value + b.value);
        return a.value >= b.value ? Types.Wei(a.sign, a.value - b.value) : Types.Wei(b.sign, b.value - a.value);
    }

    function negative(Types.Wei memory a) internal pure returns (Types.Wei memory) {
        return Types.Wei(!a.sign, a.value);
    }

    function down(uint256 a, uint256 b, uint256 c) internal pure returns (uint256) {
        return a * b / c;
    }

    function up(uint256 a, uint256 b, uint256 c) internal pure returns (uint256) {
        return a * b == 0 ? 0 : (a * b - 1) / c + 1;
    }

    // ---- par and wei

    function toWei(Types.Par memory par, Interest.Index memory index) internal pure returns (Types.Wei memory) {
        return Types.Wei(
            par.sign, par.sign ? down(par.value, index.supply, BASE) : up(par.value, index.borrow, BASE)
        );
    }

    function toPar(Types.Wei memory amount, Interest.Index memory index) internal pure returns (Types.Par memory) {
        uint256 value =
            amount.sign ? down(amount.value, BASE, index.supply) : up(amount.value, BASE, index.borrow);
        return Types.Par(amount.sign, narrow(value));
    }

    function narrow(uint256 value) internal pure returns (uint128) {
        require(value <= type(uint128).max, "Math: Unsafe cast to uint128");
        return uint128(value);
    }

    function parOf(Storage.State storage state, Account.Info memory account, uint256 market)
        internal
        view
        returns (Types.Par memory)
    {
        return state.accounts[account.owner][account.number].balances[market];
    }

    function weiOf(Storage.State storage state, Account.Info memory account, uint256 market)
        internal
        view
        returns (Types.Wei memory)
    {
        Types.Par memory par = state.parOf(account, market);
        return par.value == 0 ? Types.Wei(false, 0) : toWei(par, state.markets[market].index);
    }

    function put(Storage.State storage state, Account.Info memory account, uint256 market, Types.Par memory next)
        internal
    {
        Types.Par memory last = state.parOf(account, market);
        if (last.value == next.value && (last.value == 0 || last.sign == next.sign)) return;
        Types.TotalPar storage total = state.markets[market].totalPar;
        if (last.sign) total.supply -= last.value;
        else total.borrow -= last.value;
        if (next.sign) total.supply += next.value;
        else total.borrow += next.value;
        state.accounts[account.owner][account.number].balances[market] = next;
    }

    function add(Storage.State storage state, Account.Info memory account, uint256 market, Types.Wei memory delta)
        internal
    {
        if (delta.value == 0) return;
        Types.Wei memory next = state.weiOf(account, market).plus(delta);
        state.put(account, market, toPar(next, state.markets[market].index));
    }

    /// What an amount makes of a balance: the new par, and the tokens that move.
    function applied(
        Storage.State storage state,
        Account.Info memory account,
        uint256 market,
        Types.AssetAmount memory amount
    ) internal view returns (Types.Par memory next, Types.Wei memory delta) {
        Types.Par memory last = state.parOf(account, market);
        bool target = amount.ref == Types.AssetReference.Target;
        if (amount.value == 0 && !target) return (last, Types.Wei(false, 0));
        Interest.Index memory index = state.markets[market].index;
        Types.Wei memory held = toWei(last, index);
        Types.Wei memory asked = Types.Wei(amount.sign, amount.value);
        if (amount.denomination == Types.AssetDenomination.Wei) {
            delta = target ? asked.plus(held.negative()) : asked;
            return (toPar(held.plus(delta), index), delta);
        }
        if (!target) asked = Types.Wei(last.sign, last.value).plus(asked);
        next = Types.Par(asked.sign, narrow(asked.value));
        delta = toWei(next, index).plus(held.negative());
    }

    /// The same for what a liquidator repays: never more than is owed, nothing if it changes no par.
    function repaid(
        Storage.State storage state,
        Account.Info memory account,
        uint256 market,
        Types.AssetAmount memory amount
    ) internal view returns (Types.Par memory next, Types.Wei memory delta) {
        Types.Par memory last = state.parOf(account, market);
        bool supplies = last.sign && last.value > 0;
        if (supplies) SoloTexts.fail("Storage: Owed balance cannot be positive", account, market);
        (next, delta) = state.applied(account, market, amount);
        if (next.sign && next.value > 0) {
            next = Types.Par(false, 0);
            delta = state.weiOf(account, market).negative();
        }
        bool shrinks = (delta.sign || delta.value == 0) && last.value >= next.value;
        if (!shrinks) SoloTexts.fail("Storage: Owed balance cannot increase", account, market);
        if (last.value == next.value) delta = Types.Wei(false, 0);
    }

    // ---- markets

    function excess(Storage.State storage state, uint256 market) internal view returns (Types.Wei memory) {
        (Types.Wei memory supply, Types.Wei memory borrow) = state.totals(market);
        uint256 held = ISoloToken(state.markets[market].token).balanceOf(address(this));
        return Types.Wei(true, held).plus(borrow.negative()).plus(supply.negative());
    }

    function totals(Storage.State storage state, uint256 market)
        internal
        view
        returns (Types.Wei memory supply, Types.Wei memory borrow)
    {
        Types.TotalPar memory total = state.markets[market].totalPar;
        Interest.Index memory index = state.markets[market].index;
        supply = toWei(Types.Par(true, total.supply), index);
        borrow = toWei(Types.Par(false, total.borrow), index);
    }

    /// Interest up to this block: simple for the time since the last update, compound from one to the next.
    function accrue(Storage.State storage state, uint256 market) internal returns (Interest.Index memory) {
        Storage.Market storage kept = state.markets[market];
        Interest.Index memory index = kept.index;
        if (index.lastUpdate == block.timestamp) return index;
        (Types.Wei memory supply, Types.Wei memory borrow) = state.totals(market);
        uint256 rate = ISoloSetter(kept.interestSetter).getInterestRate(kept.token, borrow.value, supply.value);
        uint256 paid = rate * (block.timestamp - index.lastUpdate);
        uint256 earned = supply.value == 0 ? 0 : down(paid, state.riskParams.earningsRate, BASE);
        if (borrow.value < supply.value) earned = down(earned, borrow.value, supply.value);
        kept.index = Interest.Index(
            grown(index.borrow, paid), grown(index.supply, earned), uint32(block.timestamp)
        );
        return kept.index;
    }

    function grown(uint96 index, uint256 interest) private pure returns (uint96) {
        uint256 next = index + down(index, interest, BASE);
        require(next <= type(uint96).max, "Math: Unsafe cast to uint96");
        return uint96(next);
    }

    function priceOf(Storage.State storage state, uint256 market) internal view returns (uint256 price) {
        price = ISoloOracle(state.markets[market].priceOracle).getPrice(state.markets[market].token);
        if (price == 0) SoloTexts.fail("Storage: Price cannot be zero", market);
    }

    /// The liquidation spread of a pair: the global one, grown by both markets' premiums.
    function spread(Storage.State storage state, uint256 held, uint256 owed) internal view returns (uint256) {
        uint256 first = down(
            state.riskParams.liquidationSpread, BASE + state.markets[held].spreadPremium, BASE
        );
        return down(first, BASE + state.markets[owed].spreadPremium, BASE);
    }

    // ---- accounts

    /// What an account holds and owes, each worsened by its market's margin premium.
    function values(Storage.State storage state, Account.Info memory account, Seen[] memory seen)
        internal
        view
        returns (uint256 supplied, uint256 borrowed)
    {
        for (uint256 market = 0; market < seen.length; market++) {
            if (seen[market].price == 0) continue;
            Types.Wei memory held = state.weiOf(account, market);
            if (held.value == 0) continue;
            uint256 value = held.value * seen[market].price;
            uint256 adjusted = BASE + state.markets[market].marginPremium;
            if (held.sign) supplied += down(value, BASE, adjusted);
            else borrowed += down(value, adjusted, BASE);
        }
    }

    function collateralized(
        Storage.State storage state,
        Account.Info memory account,
        Seen[] memory seen,
        bool withMinimum
    ) internal view returns (bool) {
        (uint256 supplied, uint256 borrowed) = state.values(account, seen);
        if (borrowed == 0) return true;
        bool tooLow = withMinimum && borrowed < state.riskParams.minBorrowedValue;
        if (tooLow) SoloTexts.fail("Storage: Borrow value too low", account, borrowed);
        return supplied >= borrowed + down(borrowed, state.riskParams.marginRatio, BASE);
    }

    function vaporizable(Storage.State storage state, Account.Info memory account, Seen[] memory seen)
        internal
        view
        returns (bool owes)
    {
        for (uint256 market = 0; market < seen.length; market++) {
            if (seen[market].price == 0) continue;
            Types.Par memory par = state.parOf(account, market);
            if (par.value == 0) continue;
            if (par.sign) return false;
            owes = true;
        }
    }
}
