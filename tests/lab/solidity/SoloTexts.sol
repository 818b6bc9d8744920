// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {Account} from "./SoloLayout.sol";

/// What Solo says when it reverts: "Contract: Reason <argument, argument>".
library SoloTexts {
    bytes16 private constant DIGITS = "0123456789abcdef";

    function fail(string memory reason, uint256 a) internal pure {
        revert(string.concat(reason, " <", decimal(a), ">"));
    }

    function fail(string memory reason, uint256 a, uint256 b) internal pure {
        revert(string.concat(reason, " <", decimal(a), ", ", decimal(b), ">"));
    }

    function fail(string memory reason, address a) internal pure {
        revert(string.concat(reason, " <", hexadecimal(a), ">"));
    }

    function fail(string memory reason, Account.Info memory account) internal pure {
        revert(string.concat(reason, " <", name(account), ">"));
    }

    function fail(string memory reason, Account.Info memory account, uint256 c) internal pure {
        revert(string.concat(reason, " <", name(account), ", ", decimal(c), ">"));
    }

    function name(Account.Info memory account) private pure returns (string memory) {
        return string.concat(hexadecimal(account.owner), ", ", decimal(account.number));
    }

    function decimal(uint256 value) private pure returns (string memory) {
        uint256 length = 1;
        for (uint256 rest = value / 10; rest != 0; rest /= 10) length++;
        bytes memory text = new bytes(length);
        for (uint256 place = length; place > 0; place--) {
            text[place - 1] = DIGITS[value % 10];
            value /= 10;
        }
        return string(text);
    }

    function hexadecimal(address who) private pure returns (string memory) {
        uint256 value = uint160(who);
        bytes memory text = new bytes(42);
        text[0] = "0";
        text[1] = "x";
        for (uint256 place = 42; place > 2; place--) {
            text[place - 1] = DIGITS[value % 16];
            value /= 16;
        }
        return string(text);
    }
}
