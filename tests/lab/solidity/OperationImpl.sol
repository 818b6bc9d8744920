// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

// The operations of dYdX's Solo Margin. No package of npm or PyPI holds dYdX's own OperationImpl, neither compiled nor
// as a source, while SoloMargin and AdminImpl are there as bytecode: so the library that SoloMargin delegates
// operate() to is ours, linked into the real SoloMargin. The selector, the storage, the events, the order of checks and
// the texts of reverts are the published ones (dydxprotocol/solo: OperationImpl, Cache, Events and Exchange), the
// arithmetic is in SoloBalances.sol.

import {Account, Actions, BalanceUpdate, Interest, Storage, Types} from "./SoloLayout.sol";
import {ISoloCallee, ISoloExchange, ISoloToken, ISoloTrader} from "./SoloLayout.sol";
import {Seen, SoloBalances} from "./SoloBalances.sol";
import {SoloTexts} from "./SoloTexts.sol";

library OperationImpl {
    using SoloBalances for Storage.State;
    using SoloBalances for Types.Wei;

    event LogIndexUpdate(uint256 indexed market, Interest.Index index);
    event LogOperation(address sender);
    event LogDeposit(
        address indexed accountOwner, uint256 accountNumber, uint256 market, BalanceUpdate update, address from
    );
    event LogWithdraw(
        address indexed accountOwner, uint256 accountNumber, uint256 market, BalanceUpdate update, address to
    );
    event LogTransfer(
        address indexed accountOneOwner,
        uint256 accountOneNumber,
        address indexed accountTwoOwner,
        uint256 accountTwoNumber,
        uint256 market,
        BalanceUpdate updateOne,
        BalanceUpdate updateTwo
    );
    event LogBuy(
        address indexed accountOwner,
        uint256 accountNumber,
        uint256 takerMarket,
        uint256 makerMarket,
        BalanceUpdate takerUpdate,
        BalanceUpdate makerUpdate,
        address exchangeWrapper
    );
    event LogSell(
        address indexed accountOwner,
        uint256 accountNumber,
        uint256 takerMarket,
        uint256 makerMarket,
        BalanceUpdate takerUpdate,
        BalanceUpdate makerUpdate,
        address exchangeWrapper
    );
    event LogTrade(
        address indexed takerAccountOwner,
        uint256 takerAccountNumber,
        address indexed makerAccountOwner,
        uint256 makerAccountNumber,
        uint256 inputMarket,
        uint256 outputMarket,
        BalanceUpdate takerInputUpdate,
        BalanceUpdate takerOutputUpdate,
        BalanceUpdate makerInputUpdate,
        BalanceUpdate makerOutputUpdate,
        address autoTrader
    );
    event LogCall(address indexed accountOwner, uint256 accountNumber, address callee);
    event LogLiquidate(
        address indexed solidAccountOwner,
        uint256 solidAccountNumber,
        address indexed liquidAccountOwner,
        uint256 liquidAccountNumber,
        uint256 heldMarket,
        uint256 owedMarket,
        BalanceUpdate solidHeldUpdate,
        BalanceUpdate solidOwedUpdate,
        BalanceUpdate liquidHeldUpdate,
        BalanceUpdate liquidOwedUpdate
    );
    event LogVaporize(
        address indexed solidAccountOwner,
        uint256 solidAccountNumber,
        address indexed vaporAccountOwner,
        uint256 vaporAccountNumber,
        uint256 heldMarket,
        uint256 owedMarket,
        BalanceUpdate solidHeldUpdate,
        BalanceUpdate solidOwedUpdate,
        BalanceUpdate vaporOwedUpdate
    );

    function operate(
        Storage.State storage state,
        Account.Info[] memory accounts,
        Actions.ActionArgs[] memory actions
    ) public {
        emit LogOperation(msg.sender);
        require(actions.length != 0, "OperationImpl: Cannot have zero actions");
        require(accounts.length != 0, "OperationImpl: Cannot have zero accounts");
        _refuseTwins(accounts);
        Seen[] memory seen = new Seen[](state.numMarkets);
        bool[] memory primary = _prepare(state, accounts, actions, seen);
        for (uint256 i = 0; i < actions.length; i++) {
            _run(state, accounts, actions[i], seen);
        }
        _judge(state, accounts, primary, seen);
    }

    // ---- before

    function _refuseTwins(Account.Info[] memory accounts) private pure {
        for (uint256 a = 0; a < accounts.length; a++) {
            for (uint256 b = a + 1; b < accounts.length; b++) {
                bool same = accounts[a].owner == accounts[b].owner && accounts[a].number == accounts[b].number;
                if (same) SoloTexts.fail("OperationImpl: Cannot duplicate accounts", a, b);
            }
        }
    }

    /// Who must be collateralized in the end; and accrue every market that is named or that an account is in.
    function _prepare(
        Storage.State storage state,
        Account.Info[] memory accounts,
        Actions.ActionArgs[] memory actions,
        Seen[] memory seen
    ) private returns (bool[] memory primary) {
        primary = new bool[](accounts.length);
        for (uint256 i = 0; i < actions.length; i++) {
            _nameAccounts(actions[i], primary, i);
            _nameMarkets(state, actions[i], seen, i);
        }
        for (uint256 market = 0; market < seen.length; market++) {
            for (uint256 a = 0; a < accounts.length; a++) {
                if (state.parOf(accounts[a], market).value != 0) {
                    _meet(state, market, seen);
                    break;
                }
            }
        }
    }

    function _nameAccounts(Actions.ActionArgs memory action, bool[] memory primary, uint256 i) private pure {
        Actions.ActionType kind = action.actionType;
        bool both = kind == Actions.ActionType.Transfer || kind == Actions.ActionType.Trade;
        bool second = kind == Actions.ActionType.Liquidate || kind == Actions.ActionType.Vaporize;
        if (both || second) {
            bool same = action.accountId == action.otherAccountId;
            if (same) SoloTexts.fail("OperationImpl: Duplicate accounts in action", i);
            bool taken = second && primary[action.otherAccountId];
            if (taken) SoloTexts.fail("OperationImpl: Requires non-primary account", action.otherAccountId);
            if (both) primary[action.otherAccountId] = true;
        }
        primary[action.accountId] = true;
    }

    function _nameMarkets(
        Storage.State storage state,
        Actions.ActionArgs memory action,
        Seen[] memory seen,
        uint256 i
    ) private {
        Actions.ActionType kind = action.actionType;
        if (kind == Actions.ActionType.Call) return;
        if (uint8(kind) > uint8(Actions.ActionType.Transfer)) {
            bool same = action.primaryMarketId == action.secondaryMarketId;
            if (same) SoloTexts.fail("OperationImpl: Duplicate markets in action", i);
            _meet(state, action.primaryMarketId, seen);
            _meet(state, action.secondaryMarketId, seen);
        } else {
            _meet(state, action.primaryMarketId, seen);
        }
    }

    function _meet(Storage.State storage state, uint256 market, Seen[] memory seen) private {
        if (seen[market].price != 0) return;
        Storage.Market storage kept = state.markets[market];
        seen[market] = Seen(state.priceOf(market), kept.isClosing, kept.totalPar.borrow);
        emit LogIndexUpdate(market, state.accrue(market));
    }

    // ---- after

    function _judge(
        Storage.State storage state,
        Account.Info[] memory accounts,
        bool[] memory primary,
        Seen[] memory seen
    ) private {
        for (uint256 market = 0; market < seen.length; market++) {
            bool more = seen[market].closing && state.markets[market].totalPar.borrow > seen[market].borrowPar;
            if (more) SoloTexts.fail("OperationImpl: Market is closing", market);
        }
        for (uint256 a = 0; a < accounts.length; a++) {
            bool solid = state.collateralized(accounts[a], seen, true);
            if (!primary[a]) continue;
            if (!solid) SoloTexts.fail("OperationImpl: Undercollateralized account", accounts[a]);
            state.accounts[accounts[a].owner][accounts[a].number].status = Account.Status.Normal;
        }
    }

    // ---- actions

    function _run(
        Storage.State storage state,
        Account.Info[] memory accounts,
        Actions.ActionArgs memory action,
        Seen[] memory seen
    ) private {
        Account.Info memory account = accounts[action.accountId];
        Actions.ActionType kind = action.actionType;
        _mayAct(state, account, msg.sender);
        if (kind == Actions.ActionType.Deposit) _deposit(state, account, action);
        else if (kind == Actions.ActionType.Withdraw) _withdraw(state, account, action);
        else if (kind == Actions.ActionType.Call) _call(account, action);
        else if (kind == Actions.ActionType.Buy) _buy(state, account, action);
        else if (kind == Actions.ActionType.Sell) _sell(state, account, action);
        else if (kind == Actions.ActionType.Transfer) _transfer(state, account, accounts[action.otherAccountId], action);
        else if (kind == Actions.ActionType.Trade) _trade(state, account, accounts[action.otherAccountId], action);
        else if (kind == Actions.ActionType.Liquidate) _liquidate(state, accounts, action, seen);
        else _vaporize(state, accounts, action, seen);
    }

    function _mayAct(Storage.State storage state, Account.Info memory account, address who) private view {
        bool may = who == account.owner || state.globalOperators[who] || state.operators[account.owner][who];
        if (!may) SoloTexts.fail("Storage: Unpermissioned operator", who);
    }

    function _deposit(Storage.State storage state, Account.Info memory account, Actions.ActionArgs memory action)
        private
    {
        address from = action.otherAddress;
        bool his = from == msg.sender || from == account.owner;
        if (!his) SoloTexts.fail("OperationImpl: Invalid deposit source", from);
        uint256 market = action.primaryMarketId;
        (Types.Par memory next, Types.Wei memory delta) = state.applied(account, market, action.amount);
        state.put(account, market, next);
        bool out = !delta.sign && delta.value != 0;
        if (out) SoloTexts.fail("Exchange: Cannot transferIn negative", delta.value);
        if (delta.value != 0) {
            ISoloToken(state.markets[market].token).transferFrom(from, address(this), delta.value);
        }
        emit LogDeposit(account.owner, account.number, market, BalanceUpdate(delta, next), from);
    }

    function _withdraw(Storage.State storage state, Account.Info memory account, Actions.ActionArgs memory action)
        private
    {
        address to = action.otherAddress;
        uint256 market = action.primaryMarketId;
        (Types.Par memory next, Types.Wei memory delta) = state.applied(account, market, action.amount);
        state.put(account, market, next);
        bool comesIn = delta.sign && delta.value != 0;
        if (comesIn) SoloTexts.fail("Exchange: Cannot transferOut positive", delta.value);
        if (delta.value != 0) ISoloToken(state.markets[market].token).transfer(to, delta.value);
        emit LogWithdraw(account.owner, account.number, market, BalanceUpdate(delta, next), to);
    }

    function _call(Account.Info memory account, Actions.ActionArgs memory action) private {
        ISoloCallee(action.otherAddress).callFunction(msg.sender, account, action.data);
        emit LogCall(account.owner, account.number, action.otherAddress);
    }

    /// What an account wants is named; the exchange says what that costs.
    function _buy(Storage.State storage state, Account.Info memory account, Actions.ActionArgs memory action)
        private
    {
        uint256 made = action.primaryMarketId;
        uint256 taken = action.secondaryMarketId;
        (Types.Par memory next, Types.Wei memory delta) = state.applied(account, made, action.amount);
        bool out = !delta.sign && delta.value != 0;
        if (out) SoloTexts.fail("Exchange: Cannot getCost negative", delta.value);
        uint256 cost = ISoloExchange(action.otherAddress).getExchangeCost(
            state.markets[made].token, state.markets[taken].token, delta.value, action.data
        );
        Types.Wei memory paid = Types.Wei(false, cost);
        uint256 given = _exchange(state, account.owner, action, made, taken, paid).value;
        if (given < delta.value) SoloTexts.fail("OperationImpl: Buy amount less than promised", given, delta.value);
        state.put(account, made, next);
        state.add(account, taken, paid);
        BalanceUpdate memory lost = _update(state, account, taken, paid);
        BalanceUpdate memory won = _update(state, account, made, delta);
        _logBuy(account, action, lost, won);
    }

    /// What an account gives is named; the exchange says what it gets for that.
    function _sell(Storage.State storage state, Account.Info memory account, Actions.ActionArgs memory action)
        private
    {
        uint256 taken = action.primaryMarketId;
        uint256 made = action.secondaryMarketId;
        (Types.Par memory next, Types.Wei memory delta) = state.applied(account, taken, action.amount);
        Types.Wei memory given = _exchange(state, account.owner, action, made, taken, delta);
        state.put(account, taken, next);
        state.add(account, made, given);
        BalanceUpdate memory lost = _update(state, account, taken, delta);
        BalanceUpdate memory won = _update(state, account, made, given);
        _logSell(account, action, lost, won);
    }

    function _logBuy(
        Account.Info memory account,
        Actions.ActionArgs memory action,
        BalanceUpdate memory lost,
        BalanceUpdate memory won
    ) private {
        uint256 made = action.primaryMarketId;
        uint256 taken = action.secondaryMarketId;
        emit LogBuy(account.owner, account.number, taken, made, lost, won, action.otherAddress);
    }

    function _logSell(
        Account.Info memory account,
        Actions.ActionArgs memory action,
        BalanceUpdate memory lost,
        BalanceUpdate memory won
    ) private {
        uint256 taken = action.primaryMarketId;
        uint256 made = action.secondaryMarketId;
        emit LogSell(account.owner, account.number, taken, made, lost, won, action.otherAddress);
    }

    function _exchange(
        Storage.State storage state,
        address originator,
        Actions.ActionArgs memory action,
        uint256 made,
        uint256 taken,
        Types.Wei memory paid
    ) private returns (Types.Wei memory) {
        bool comesIn = paid.sign && paid.value != 0;
        if (comesIn) SoloTexts.fail("Exchange: Cannot exchange positive", paid.value);
        address wrapper = action.otherAddress;
        ISoloToken token = ISoloToken(state.markets[made].token);
        if (paid.value != 0) ISoloToken(state.markets[taken].token).transfer(wrapper, paid.value);
        uint256 given = ISoloExchange(wrapper).exchange(
            originator, address(this), address(token), state.markets[taken].token, paid.value, action.data
        );
        if (given != 0) token.transferFrom(wrapper, address(this), given);
        return Types.Wei(true, given);
    }

    function _transfer(
        Storage.State storage state,
        Account.Info memory one,
        Account.Info memory two,
        Actions.ActionArgs memory action
    ) private {
        _mayAct(state, two, msg.sender);
        uint256 market = action.primaryMarketId;
        (Types.Par memory next, Types.Wei memory delta) = state.applied(one, market, action.amount);
        state.put(one, market, next);
        state.add(two, market, delta.negative());
        emit LogTransfer(
            one.owner,
            one.number,
            two.owner,
            two.number,
            market,
            _update(state, one, market, delta),
            _update(state, two, market, delta.negative())
        );
    }

    struct Trade {
        Types.Par nextInput;
        Types.Wei input;
        Types.Par nextOutput;
        Types.Wei output;
    }

    function _trade(
        Storage.State storage state,
        Account.Info memory taker,
        Account.Info memory maker,
        Actions.ActionArgs memory action
    ) private {
        _mayAct(state, maker, action.otherAddress);
        uint256 input = action.primaryMarketId;
        uint256 output = action.secondaryMarketId;
        Trade memory trade;
        (trade.nextInput, trade.input) = state.applied(maker, input, action.amount);
        Types.AssetAmount memory cost = _cost(state, taker, maker, action, trade);
        (trade.nextOutput, trade.output) = state.applied(maker, output, cost);
        require(
            trade.output.value == 0 || trade.input.value == 0 || trade.output.sign != trade.input.sign,
            "OperationImpl: Trades cannot be one-sided"
        );
        state.put(maker, input, trade.nextInput);
        state.put(maker, output, trade.nextOutput);
        state.add(taker, input, trade.input.negative());
        state.add(taker, output, trade.output.negative());
        _logTrade(state, taker, maker, action, trade);
    }

    function _cost(
        Storage.State storage state,
        Account.Info memory taker,
        Account.Info memory maker,
        Actions.ActionArgs memory action,
        Trade memory trade
    ) private returns (Types.AssetAmount memory) {
        return ISoloTrader(action.otherAddress).getTradeCost(
            action.primaryMarketId,
            action.secondaryMarketId,
            maker,
            taker,
            state.parOf(maker, action.primaryMarketId),
            trade.nextInput,
            trade.input,
            action.data
        );
    }

    function _logTrade(
        Storage.State storage state,
        Account.Info memory taker,
        Account.Info memory maker,
        Actions.ActionArgs memory action,
        Trade memory trade
    ) private {
        BalanceUpdate[4] memory updates;
        updates[0] = _update(state, taker, action.primaryMarketId, trade.input.negative());
        updates[1] = _update(state, taker, action.secondaryMarketId, trade.output.negative());
        updates[2] = _update(state, maker, action.primaryMarketId, trade.input);
        updates[3] = _update(state, maker, action.secondaryMarketId, trade.output);
        emit LogTrade(
            taker.owner,
            taker.number,
            maker.owner,
            maker.number,
            action.primaryMarketId,
            action.secondaryMarketId,
            updates[0],
            updates[1],
            updates[2],
            updates[3],
            action.otherAddress
        );
    }

    // ---- liquidation

    /// One liquidation or vaporization under way: who, what, and how much moves.
    struct Taking {
        Account.Info solid;
        Account.Info sick;
        uint256 held;
        uint256 owed;
        Types.Wei heldWei;
        Types.Wei owedWei;
        Types.Par owedPar;
    }

    function _taking(Account.Info[] memory accounts, Actions.ActionArgs memory action)
        private
        pure
        returns (Taking memory taking)
    {
        taking.solid = accounts[action.accountId];
        taking.sick = accounts[action.otherAccountId];
        taking.owed = action.primaryMarketId;
        taking.held = action.secondaryMarketId;
    }

    function _liquidate(
        Storage.State storage state,
        Account.Info[] memory accounts,
        Actions.ActionArgs memory action,
        Seen[] memory seen
    ) private {
        Taking memory taking = _taking(accounts, action);
        Account.Storage storage kept = state.accounts[taking.sick.owner][taking.sick.number];
        if (kept.status != Account.Status.Liquid) {
            bool solid = state.collateralized(taking.sick, seen, false);
            if (solid) SoloTexts.fail("OperationImpl: Unliquidatable account", taking.sick);
            kept.status = Account.Status.Liquid;
        }
        Types.Wei memory most = state.weiOf(taking.sick, taking.held);
        bool owes = !most.sign && most.value != 0;
        if (owes) SoloTexts.fail("OperationImpl: Collateral cannot be negative", taking.sick, taking.held);
        (taking.owedPar, taking.owedWei) = state.repaid(taking.sick, taking.owed, action.amount);
        if (_bound(state, taking, most, seen)) {
            state.put(taking.sick, taking.held, Types.Par(false, 0));
            state.add(taking.sick, taking.owed, taking.owedWei);
        } else {
            state.put(taking.sick, taking.owed, taking.owedPar);
            state.add(taking.sick, taking.held, taking.heldWei);
        }
        _pay(state, taking);
        _logLiquidate(state, taking);
    }

    /// What is taken for what is repaid; and whether all there is bounds it, and so what is repaid.
    function _bound(Storage.State storage state, Taking memory taking, Types.Wei memory most, Seen[] memory seen)
        private
        view
        returns (bool bounded)
    {
        uint256 heldPrice = seen[taking.held].price;
        uint256 owedPrice = seen[taking.owed].price;
        owedPrice += SoloBalances.down(owedPrice, state.spread(taking.held, taking.owed), SoloBalances.BASE);
        taking.heldWei = Types.Wei(false, SoloBalances.down(taking.owedWei.value, owedPrice, heldPrice));
        bounded = taking.heldWei.value > most.value;
        if (bounded) {
            taking.heldWei = most.negative();
            taking.owedWei = Types.Wei(true, SoloBalances.up(most.value, heldPrice, owedPrice));
        }
    }

    function _pay(Storage.State storage state, Taking memory taking) private {
        state.add(taking.solid, taking.owed, taking.owedWei.negative());
        state.add(taking.solid, taking.held, taking.heldWei.negative());
    }

    function _logLiquidate(Storage.State storage state, Taking memory taking) private {
        BalanceUpdate[4] memory updates;
        updates[0] = _update(state, taking.solid, taking.held, taking.heldWei.negative());
        updates[1] = _update(state, taking.solid, taking.owed, taking.owedWei.negative());
        updates[2] = _update(state, taking.sick, taking.held, taking.heldWei);
        updates[3] = _update(state, taking.sick, taking.owed, taking.owedWei);
        emit LogLiquidate(
            taking.solid.owner,
            taking.solid.number,
            taking.sick.owner,
            taking.sick.number,
            taking.held,
            taking.owed,
            updates[0],
            updates[1],
            updates[2],
            updates[3]
        );
    }

    function _vaporize(
        Storage.State storage state,
        Account.Info[] memory accounts,
        Actions.ActionArgs memory action,
        Seen[] memory seen
    ) private {
        Taking memory taking = _taking(accounts, action);
        Account.Storage storage kept = state.accounts[taking.sick.owner][taking.sick.number];
        if (kept.status != Account.Status.Vapor) {
            bool only = state.vaporizable(taking.sick, seen);
            if (!only) SoloTexts.fail("OperationImpl: Unvaporizable account", taking.sick);
            kept.status = Account.Status.Vapor;
        }
        (bool whole, Types.Wei memory refund) = _refund(state, taking);
        if (!whole) {
            Types.Wei memory most = state.excess(taking.held);
            bool none = !most.sign && most.value != 0;
            if (none) SoloTexts.fail("OperationImpl: Excess cannot be negative", taking.held);
            (taking.owedPar, taking.owedWei) = state.repaid(taking.sick, taking.owed, action.amount);
            if (_bound(state, taking, most, seen)) state.add(taking.sick, taking.owed, taking.owedWei);
            else state.put(taking.sick, taking.owed, taking.owedPar);
            _pay(state, taking);
        }
        _logVaporize(state, taking, refund);
    }

    /// What the protocol's own surplus of the token repays.
    function _refund(Storage.State storage state, Taking memory taking)
        private
        returns (bool whole, Types.Wei memory refund)
    {
        refund = state.excess(taking.owed);
        if (!refund.sign || refund.value == 0) return (false, Types.Wei(false, 0));
        uint256 owed = state.weiOf(taking.sick, taking.owed).value;
        if (refund.value < owed) {
            state.add(taking.sick, taking.owed, refund);
            return (false, refund);
        }
        state.put(taking.sick, taking.owed, Types.Par(false, 0));
        return (true, Types.Wei(true, owed));
    }

    function _logVaporize(Storage.State storage state, Taking memory taking, Types.Wei memory refund) private {
        BalanceUpdate[3] memory updates;
        updates[0] = _update(state, taking.solid, taking.held, taking.heldWei.negative());
        updates[1] = _update(state, taking.solid, taking.owed, taking.owedWei.negative());
        updates[2] = _update(state, taking.sick, taking.owed, taking.owedWei.plus(refund));
        emit LogVaporize(
            taking.solid.owner,
            taking.solid.number,
            taking.sick.owner,
            taking.sick.number,
            taking.held,
            taking.owed,
            updates[0],
            updates[1],
            updates[2]
        );
    }

    function _update(Storage.State storage state, Account.Info memory account, uint256 market, Types.Wei memory delta)
        private
        view
        returns (BalanceUpdate memory)
    {
        return BalanceUpdate(delta, state.parOf(account, market));
    }
}
