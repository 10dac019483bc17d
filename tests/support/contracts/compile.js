// Writes mocks.json from Mocks.sol: `node tests/support/contracts/compile.js`, after `npm ci`.
const fs = require("fs");
const path = require("path");
const solc = require("solc");

const source = fs.readFileSync(path.join(__dirname, "Mocks.sol"), "utf8");
const input = {
  language: "Solidity",
  sources: { "Mocks.sol": { content: source } },
  settings: {
    evmVersion: "paris",
    optimizer: { enabled: true, runs: 200 },
    metadata: { appendCBOR: false, bytecodeHash: "none" },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input)));
const errors = (output.errors || []).filter((e) => e.severity === "error");
if (errors.length) {
  console.error(errors.map((e) => e.formattedMessage).join("\n"));
  process.exit(1);
}
const found = {};
for (const [name, contract] of Object.entries(output.contracts["Mocks.sol"]))
  if (contract.evm.bytecode.object)
    found[name] = { abi: contract.abi, bytecode: "0x" + contract.evm.bytecode.object };
fs.writeFileSync(path.join(__dirname, "mocks.json"), JSON.stringify(found) + "\n");
