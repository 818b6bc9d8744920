// Times @aave/math-utils on accounts from stdin: {reserves, eModes, timestamp, users, warmUp, repeats}.
// Answers {seconds, factors}: the best time of formatReserves once and formatUserSummary per account. Reading
// and writing JSON are outside the clock.
"use strict";

const { readFileSync } = require("node:fs");
const { formatReserves, formatUserSummary } = require(process.argv[2]);

const { reserves, eModes, timestamp, users, warmUp, repeats } = JSON.parse(readFileSync(0, "utf8"));
const priced = {
  currentTimestamp: timestamp,
  marketReferencePriceInUsd: "100000000",
  marketReferenceCurrencyDecimals: 8,
};

function factors(accounts) {
  const formattedReserves = formatReserves({ reserves, eModes, ...priced });
  return accounts.map(
    ({ mode, legs }) =>
      formatUserSummary({ ...priced, formattedReserves, userReserves: legs, userEmodeCategoryId: mode })
        .healthFactor,
  );
}

factors(users.slice(0, warmUp));
let answer;
let best = Infinity;
for (let k = 0; k < repeats; k++) {
  const begun = process.hrtime.bigint();
  answer = factors(users);
  best = Math.min(best, Number(process.hrtime.bigint() - begun) / 1e9);
}
process.stdout.write(JSON.stringify({ seconds: best, factors: answer }));
