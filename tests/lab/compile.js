// Runs the Solidity compiler without its wrapper: standard JSON on stdin, the compiler's answer on stdout.
// usage: node compile.js path/to/soljson.js
'use strict';
const fs = require('fs');
const compiler = require(require('path').resolve(process.argv[2]));
const compile = compiler.cwrap('solidity_compile', 'string', ['string', 'number', 'number']);
fs.writeFileSync(1, compile(fs.readFileSync(0, 'utf8'), 0, 0));
