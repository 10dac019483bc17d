// SPDX-License-Identifier: Apache-2.0
// Stand-ins for the venue's own contracts on the local test chain, written from their documented
// interfaces. The Conditional Tokens contract itself is the real one.
pragma solidity ^0.8.20;

interface IConditionalTokens {
    function balanceOf(address owner, uint256 id) external view returns (uint256);
    function getCollectionId(bytes32 parent, bytes32 condition, uint256 indexSet) external view returns (bytes32);
    function getPositionId(address collateral, bytes32 collection) external pure returns (uint256);
    function splitPosition(address collateral, bytes32 parent, bytes32 condition, uint256[] calldata partition, uint256 amount) external;
    function mergePositions(address collateral, bytes32 parent, bytes32 condition, uint256[] calldata partition, uint256 amount) external;
    function redeemPositions(address collateral, bytes32 parent, bytes32 condition, uint256[] calldata indexSets) external;
    function safeBatchTransferFrom(address from, address to, uint256[] calldata ids, uint256[] calldata values, bytes calldata data) external;
}

contract Dollar {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    function decimals() external pure returns (uint8) { return 6; }

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function burn(address from, uint256 value) external {
        balanceOf[from] -= value;
        emit Transfer(from, address(0), value);
    }

    function approve(address spender, uint256 value) external returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        _move(msg.sender, to, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        require(allowed >= value, "allowance too small");
        if (allowed != type(uint256).max) allowance[from][msg.sender] = allowed - value;
        _move(from, to, value);
        return true;
    }

    function _move(address from, address to, uint256 value) private {
        require(balanceOf[from] >= value, "balance too small");
        balanceOf[from] -= value;
        balanceOf[to] += value;
        emit Transfer(from, to, value);
    }
}

contract CollateralAdapter {
    IConditionalTokens private immutable tokens;
    Dollar private immutable backing;
    Dollar private immutable collateral;

    constructor(address tokens_, address backing_, address collateral_) {
        tokens = IConditionalTokens(tokens_);
        backing = Dollar(backing_);
        collateral = Dollar(collateral_);
    }

    function splitPosition(address, bytes32, bytes32 condition, uint256[] calldata, uint256 amount) external {
        collateral.transferFrom(msg.sender, address(this), amount);
        collateral.burn(address(this), amount);
        backing.mint(address(this), amount);
        backing.approve(address(tokens), amount);
        tokens.splitPosition(address(backing), 0, condition, _partition(), amount);
        uint256[] memory amounts = new uint256[](2);
        (amounts[0], amounts[1]) = (amount, amount);
        tokens.safeBatchTransferFrom(address(this), msg.sender, _ids(condition), amounts, "");
    }

    function mergePositions(address, bytes32, bytes32 condition, uint256[] calldata, uint256 amount) external {
        uint256[] memory amounts = new uint256[](2);
        (amounts[0], amounts[1]) = (amount, amount);
        tokens.safeBatchTransferFrom(msg.sender, address(this), _ids(condition), amounts, "");
        tokens.mergePositions(address(backing), 0, condition, _partition(), amount);
        _payOut(msg.sender, amount);
    }

    function redeemPositions(address, bytes32, bytes32 condition, uint256[] calldata) external {
        _redeem(msg.sender, condition);
    }

    // What the venue's own redeemer does for wallets that approved it.
    function redeemFor(address wallet, bytes32 condition) external {
        _redeem(wallet, condition);
    }

    function _redeem(address wallet, bytes32 condition) private {
        uint256[] memory ids = _ids(condition);
        uint256[] memory amounts = new uint256[](2);
        (amounts[0], amounts[1]) = (tokens.balanceOf(wallet, ids[0]), tokens.balanceOf(wallet, ids[1]));
        tokens.safeBatchTransferFrom(wallet, address(this), ids, amounts, "");
        uint256 before = backing.balanceOf(address(this));
        tokens.redeemPositions(address(backing), 0, condition, _partition());
        _payOut(wallet, backing.balanceOf(address(this)) - before);
    }

    function _payOut(address wallet, uint256 amount) private {
        if (amount == 0) return;
        backing.burn(address(this), amount);
        collateral.mint(wallet, amount);
    }

    function _partition() private pure returns (uint256[] memory sets) {
        sets = new uint256[](2);
        (sets[0], sets[1]) = (1, 2);
    }

    function _ids(bytes32 condition) private view returns (uint256[] memory ids) {
        ids = new uint256[](2);
        ids[0] = tokens.getPositionId(address(backing), tokens.getCollectionId(0, condition, 1));
        ids[1] = tokens.getPositionId(address(backing), tokens.getCollectionId(0, condition, 2));
    }

    function onERC1155Received(address, address, uint256, uint256, bytes calldata) external pure returns (bytes4) {
        return this.onERC1155Received.selector;
    }

    function onERC1155BatchReceived(address, address, uint256[] calldata, uint256[] calldata, bytes calldata) external pure returns (bytes4) {
        return this.onERC1155BatchReceived.selector;
    }

    function supportsInterface(bytes4) external pure returns (bool) { return true; }
}

// Takes every call, moves nothing: an adapter that "succeeds" and pays zero.
contract Hollow {
    fallback() external {}
}

contract PositionManager {
    mapping(uint256 => mapping(address => uint256)) public balances;
    mapping(bytes31 => bool) public resolved;
    mapping(uint256 => uint256) public halves; // payout of a share in halves of a dollar

    event TransferSingle(address indexed operator, address indexed from, address indexed to, uint256 id, uint256 value);

    function balanceOf(address owner, uint256 id) external view returns (uint256) { return balances[id][owner]; }

    function balanceOfBatch(address[] calldata owners, uint256[] calldata ids) external view returns (uint256[] memory found) {
        found = new uint256[](ids.length);
        for (uint256 i = 0; i < ids.length; i++) found[i] = balances[ids[i]][owners[i]];
    }

    function mint(address to, uint256 id, uint256 value) external {
        balances[id][to] += value;
        emit TransferSingle(msg.sender, address(0), to, id, value);
    }

    function burn(address from, uint256 id, uint256 value) external {
        require(balances[id][from] >= value, "balance too small");
        balances[id][from] -= value;
        emit TransferSingle(msg.sender, from, address(0), id, value);
    }

    function resolve(bytes31 condition, uint256 first, uint256 second) external {
        resolved[condition] = true;
        halves[uint256(bytes32(condition))] = first;
        halves[uint256(bytes32(condition)) + 1] = second;
    }

    function getPayout(uint256 id, uint256 amount) external view returns (uint256) {
        require(resolved[bytes31(bytes32(id))], "condition not resolved");
        return amount * halves[id] / 2;
    }
}

contract Router {
    PositionManager private immutable positions;
    Dollar private immutable collateral;

    constructor(address positions_, address collateral_) {
        positions = PositionManager(positions_);
        collateral = Dollar(collateral_);
    }

    function split(bytes31 condition, uint256 amount) external {
        collateral.transferFrom(msg.sender, address(this), amount);
        collateral.burn(address(this), amount);
        positions.mint(msg.sender, uint256(bytes32(condition)), amount);
        positions.mint(msg.sender, uint256(bytes32(condition)) + 1, amount);
    }

    function redeem(bytes31 condition, uint256 outcome, uint256 amount) external {
        uint256 id = uint256(bytes32(condition)) + outcome;
        uint256 payout = positions.getPayout(id, amount);
        positions.burn(msg.sender, id, amount);
        if (payout > 0) collateral.mint(msg.sender, payout);
    }
}
