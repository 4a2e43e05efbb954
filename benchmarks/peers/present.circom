pragma circom 2.1.0;

// The statement of attestry's circuit `present`, for one fixed question, over circomlib's
// Poseidon: a record under the root satisfies eight conditions, two of its values are
// committed to, and its nullifier in a scope is the one given. D is the only public value.
//
// Where attestry's circuit takes any question (which attribute a condition is about, which
// operator it has, is part of the assignment), this one is made for its question: it has no
// selectors and no multiplexers, so it is smaller than an equivalent one would be. It has no
// nulls either. Its tree is binary with 28 levels, 2^28 records; attestry's has 12*8^8, or 2^27.6.

include "circomlib/circuits/poseidon.circom";
include "circomlib/circuits/comparators.circom";
include "circomlib/circuits/bitify.circom";

template Path(levels) {
    signal input leaf;
    signal input siblings[levels];
    signal input sides[levels]; // 1: the node is on the right
    signal output root;

    component hash[levels];
    signal node[levels + 1];
    signal moved[levels];
    node[0] <== leaf;
    for (var i = 0; i < levels; i++) {
        sides[i] * (1 - sides[i]) === 0;
        moved[i] <== sides[i] * (siblings[i] - node[i]);
        hash[i] = Poseidon(2);
        hash[i].inputs[0] <== node[i] + moved[i];
        hash[i].inputs[1] <== siblings[i] - moved[i];
        node[i + 1] <== hash[i].out;
    }
    root <== node[levels];
}

// AtLeast holds a <= b for numbers whose difference is below 2^bits.
template AtMost(bits) {
    signal input a;
    signal input b;
    component range = Num2Bits(bits);
    range.in <== b - a;
}

// Member tells whether a value is one of two, and must be as `in` says.
template Member() {
    signal input value;
    signal input set[2];
    signal input in;
    signal product;
    product <== (value - set[0]) * (value - set[1]);
    component zero = IsZero();
    zero.in <== product;
    in === zero.out;
}

template Present(levels) {
    // the statement
    signal input p;
    signal input scope;
    signal input context;
    signal input blind;
    signal input randomness[2];
    // the question
    signal input operands[4];
    signal input sets[2][2];
    signal input factors[4];
    // the record
    signal input key;
    signal input subject;
    signal input holder;
    signal input holderSecret;
    signal input serial;
    signal input blinding;
    signal input link;
    signal input attributes[16];
    signal input siblings[levels];
    signal input sides[levels];
    signal output d;

    // the leaf
    component attributesHash = Poseidon(16);
    for (var i = 0; i < 16; i++) attributesHash.inputs[i] <== attributes[i];
    component serialHash = Poseidon(1);
    serialHash.inputs[0] <== serial;
    component leaf = Poseidon(7);
    leaf.inputs[0] <== attributesHash.out;
    leaf.inputs[1] <== key;
    leaf.inputs[2] <== subject;
    leaf.inputs[3] <== holder;
    leaf.inputs[4] <== serialHash.out;
    leaf.inputs[5] <== blinding;
    leaf.inputs[6] <== link;
    component path = Path(levels);
    path.leaf <== leaf.out;
    for (var i = 0; i < levels; i++) {
        path.siblings[i] <== siblings[i];
        path.sides[i] <== sides[i];
    }

    // the holder, where the record has one
    component holderTag = Poseidon(1);
    holderTag.inputs[0] <== holderSecret;
    holder * (holderTag.out - holder) === 0;

    // four order conditions against literals of 64 bits: three >=, one <
    component order[4];
    var ordered[4] = [0, 6, 3, 2];
    for (var i = 0; i < 4; i++) {
        order[i] = AtMost(64);
        if (i < 3) {
            order[i].a <== operands[i];
            order[i].b <== attributes[ordered[i]];
        } else {
            order[i].a <== attributes[ordered[i]] + 1;
            order[i].b <== operands[i];
        }
    }
    // one in, one not in
    component member[2];
    var sorted[2] = [12, 5];
    for (var i = 0; i < 2; i++) {
        member[i] = Member();
        member[i].value <== attributes[sorted[i]];
        member[i].set[0] <== sets[i][0];
        member[i].set[1] <== sets[i][1];
        member[i].in <== 1 - i;
    }
    // two of attribute against attribute, with factors of 16 bits
    component pair[2];
    component factor[4];
    var lefts[2] = [1, 9];
    var rights[2] = [0, 8];
    signal products[4];
    for (var i = 0; i < 2; i++) {
        for (var j = 0; j < 2; j++) {
            factor[2 * i + j] = Num2Bits(16);
            factor[2 * i + j].in <== factors[2 * i + j];
        }
        products[2 * i] <== factors[2 * i] * attributes[lefts[i]];
        products[2 * i + 1] <== factors[2 * i + 1] * attributes[rights[i]];
        pair[i] = AtMost(81);
        pair[i].a <== products[2 * i];
        pair[i].b <== products[2 * i + 1];
    }

    // two committed values
    component outputs[2];
    for (var i = 0; i < 2; i++) {
        outputs[i] = Poseidon(2);
        outputs[i].inputs[0] <== i == 0 ? subject : attributes[3];
        outputs[i].inputs[1] <== randomness[i];
    }

    // the nullifier, the question's digest and the statement's
    component nullifier = Poseidon(2);
    nullifier.inputs[0] <== serial;
    nullifier.inputs[1] <== scope;
    component question = Poseidon(16);
    for (var i = 0; i < 4; i++) {
        question.inputs[i] <== operands[i];
        question.inputs[4 + i] <== sets[i \ 2][i % 2];
        question.inputs[8 + i] <== factors[i];
    }
    question.inputs[12] <== outputs[0].out;
    question.inputs[13] <== outputs[1].out;
    question.inputs[14] <== context;
    question.inputs[15] <== blind;
    component statement = Poseidon(5);
    statement.inputs[0] <== p;
    statement.inputs[1] <== path.root;
    statement.inputs[2] <== nullifier.out;
    statement.inputs[3] <== scope;
    statement.inputs[4] <== question.out;
    d <== statement.out;
}

component main = Present(28);
