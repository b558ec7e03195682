#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Writes small ONNX models of operators that ONNX's own cases leave out or barely touch (recurrent networks with all
# their attributes, ai.onnx.ml), with random weights, for onnx_reference_test:
#
#   make_onnx_models.py FOLDER
#
# Needs the Python package onnx; exits with 77 where it is not installed.
import pathlib
import random
import sys

try:
    from onnx import TensorProto, helper, numpy_helper, save
    import numpy as np
except ImportError:
    sys.exit(77)

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
rng = np.random.default_rng(7)
folder = pathlib.Path(sys.argv[1])


def numbers(*shape):
    return rng.normal(0, 0.6, shape).astype(np.float32)


def listed(count):
    return [float(v) for v in numbers(count)]


def write(name, node, shape, outputs, initializers=None):
    graph = helper.make_graph(
        [node], name, [helper.make_tensor_value_info('x', FLOAT, shape)],
        [helper.make_tensor_value_info(o, t, None) for o, t in outputs],
        [numpy_helper.from_array(v, k) for k, v in (initializers or {}).items()])
    opsets = [helper.make_opsetid('', 14), helper.make_opsetid('ai.onnx.ml', 3)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / (name + '.onnx'))


# -- recurrent networks

CELLS, FEATURES, STEPS, BATCH = 3, 5, 4, 3
GATES = {'LSTM': 4, 'GRU': 3, 'RNN': 1}


def recurrent(name, op, bias=True, lengths=None, states=False, peepholes=False, **attributes):
    directions = 2 if attributes.get('direction') == 'bidirectional' else 1
    gates = GATES[op]
    weights = {'w': numbers(directions, gates * CELLS, FEATURES), 'r': numbers(directions, gates * CELLS, CELLS)}
    inputs = ['x', 'w', 'r']

    def add(key, wanted, value):
        inputs.append(key if wanted else '')
        if wanted:
            weights[key] = value

    add('b', bias, numbers(directions, 2 * gates * CELLS))
    add('lengths', lengths is not None, np.array(lengths or [], np.int32))
    add('h', states, numbers(directions, BATCH, CELLS))
    if op == 'LSTM':
        add('c', states, numbers(directions, BATCH, CELLS))
        add('p', peepholes, numbers(directions, 3 * CELLS))
    while not inputs[-1]:
        inputs.pop()
    outputs = ['y0', 'y1', 'y2'][:3 if op == 'LSTM' else 2]
    node = helper.make_node(op, inputs, outputs, hidden_size=CELLS, **attributes)
    write(name, node, [STEPS, BATCH, FEATURES], [(o, FLOAT) for o in outputs], weights)


def recurrent_models():
    other = {'LSTM': ['HardSigmoid', 'LeakyRelu', 'Softsign'], 'GRU': ['HardSigmoid', 'Elu'], 'RNN': ['ScaledTanh']}
    for op in GATES:
        prefix = op.lower() + '_'
        count = len(other[op])
        recurrent(prefix + 'reverse_no_bias', op, bias=False, direction='reverse')
        recurrent(prefix + 'two_directions', op, states=True, direction='bidirectional')
        recurrent(prefix + 'lengths', op, lengths=[2, 4, 1], states=True)
        recurrent(prefix + 'lengths_two_directions', op, lengths=[2, 4, 3], direction='bidirectional')
        recurrent(prefix + 'clip', op, clip=0.3)
        recurrent(prefix + 'functions', op, activations=other[op], activation_alpha=[0.3, 0.4],
                  activation_beta=[0.6, 0.7])
        recurrent(prefix + 'relu', op, activations=['Relu'] * 2 * count, direction='bidirectional')
        recurrent(prefix + 'affine', op, activations=['Affine'] * count, activation_alpha=[0.3] * count,
                  activation_beta=[0.1] * count)
    recurrent('lstm_peepholes', 'LSTM', peepholes=True, states=True)
    recurrent('lstm_coupled', 'LSTM', peepholes=True, input_forget=1)
    recurrent('gru_linear_before_reset', 'GRU', linear_before_reset=1, lengths=[1, 2, 4])
    recurrent('gru_linear_before_reset_no_bias', 'GRU', linear_before_reset=1, bias=False)


# -- ai.onnx.ml

SAMPLES = [16, 3]
CLASSIFIER = [('y0', INT64), ('y1', FLOAT)]
MODES = ['BRANCH_LEQ', 'BRANCH_LT', 'BRANCH_GTE', 'BRANCH_GT']


class Trees:
    """Random trees; entries() gives (target, weight) pairs for a leaf."""

    def __init__(self, trees, depth, entries):
        self.nodes = {key: [] for key in ('treeids', 'nodeids', 'featureids', 'modes', 'values', 'truenodeids',
                                          'falsenodeids')}
        self.leaves = []
        self.depth = depth
        self.entries = entries
        for tree in range(trees):
            self.ids = 0
            self.grow(tree, depth)

    def grow(self, tree, depth):
        node = self.ids
        self.ids += 1
        row = len(self.nodes['modes'])
        for key, value in zip(self.nodes, (tree, node, 0, 'LEAF', 0.0, 0, 0)):
            self.nodes[key].append(value)
        if depth == 0 or (depth < self.depth and random.random() < 0.2):
            self.leaves += [(tree, node, target, weight) for target, weight in self.entries()]
            return node
        self.nodes['featureids'][row] = random.randrange(SAMPLES[1])
        self.nodes['modes'][row] = random.choice(MODES)
        self.nodes['values'][row] = float(rng.uniform(-1, 1))
        self.nodes['truenodeids'][row] = self.grow(tree, depth - 1)
        self.nodes['falsenodeids'][row] = self.grow(tree, depth - 1)
        return node

    def attributes(self, prefix):
        result = {'nodes_' + key: value for key, value in self.nodes.items()}
        for key, column in zip(('treeids', 'nodeids', 'ids', 'weights'), zip(*self.leaves)):
            result[prefix + '_' + key] = list(column)
        return result


def classic(name, op, outputs, **attributes):
    node = helper.make_node(op, ['x'], [o for o, _ in outputs], domain='ai.onnx.ml', **attributes)
    write(name, node, SAMPLES, outputs)


def tree_models():
    def weight(low=-1.0):
        return float(rng.uniform(low, 1))

    def forest(targets, low=-1.0, trees=5):
        return Trees(trees, 4, lambda: [(t, weight(low)) for t in targets])

    three = {'classlabels_int64s': [5, 6, 7]}
    two = {'classlabels_int64s': [5, 6]}
    for post in ('NONE', 'SOFTMAX', 'LOGISTIC'):
        classic('trees_three_classes_' + post.lower(), 'TreeEnsembleClassifier', CLASSIFIER, post_transform=post,
                **forest([0, 1, 2]).attributes('class'), **three)
        classic('trees_one_score_' + post.lower(), 'TreeEnsembleClassifier', CLASSIFIER, post_transform=post,
                **forest([0]).attributes('class'), **two)
    classic('trees_base', 'TreeEnsembleClassifier', CLASSIFIER, base_values=[0.1, 0.2, 0.3],
            **forest([0, 1, 2]).attributes('class'), **three)
    classic('trees_one_score_base', 'TreeEnsembleClassifier', CLASSIFIER, base_values=[0.4], post_transform='LOGISTIC',
            **forest([0]).attributes('class'), **two)
    classic('trees_one_probability', 'TreeEnsembleClassifier', CLASSIFIER,
            **forest([0], low=0.0, trees=1).attributes('class'), **two)
    classic('trees_second_class', 'TreeEnsembleClassifier', CLASSIFIER, **forest([1]).attributes('class'), **two)
    for aggregate in ('SUM', 'AVERAGE', 'MIN', 'MAX'):
        classic('trees_' + aggregate.lower(), 'TreeEnsembleRegressor', [('y0', FLOAT)], n_targets=2,
                aggregate_function=aggregate, base_values=[0.5, -0.5], **forest([0, 1]).attributes('target'))


def linear_models():
    for post in ('NONE', 'SOFTMAX', 'LOGISTIC'):
        for scores, labels in ((1, [5, 6]), (2, [5, 6]), (3, [5, 6, 7])):
            classic(f'linear_{scores}_{post.lower()}', 'LinearClassifier', CLASSIFIER, coefficients=listed(scores * 3),
                    intercepts=listed(scores), classlabels_ints=labels, post_transform=post)
    classic('linear_regressor', 'LinearRegressor', [('y0', FLOAT)], coefficients=listed(6), intercepts=listed(2),
            targets=2)


def vector_machines():
    kernels = {'linear': [0.0, 0.0, 0.0], 'rbf': [0.5, 0.0, 0.0], 'poly': [0.5, 1.0, 2.0], 'sigmoid': [0.5, 1.0, 0.0]}
    for kernel, parameters in kernels.items():
        common = {'kernel_type': kernel.upper(), 'kernel_params': parameters, 'support_vectors': listed(15)}
        classic('svm_three_' + kernel, 'SVMClassifier', CLASSIFIER, classlabels_ints=[5, 6, 7],
                coefficients=listed(10), vectors_per_class=[2, 1, 2], rho=listed(3), **common)
        classic('svm_two_' + kernel, 'SVMClassifier', CLASSIFIER, classlabels_ints=[5, 6], coefficients=listed(5),
                vectors_per_class=[2, 3], rho=listed(1), **common)
        classic('svm_regressor_' + kernel, 'SVMRegressor', [('y0', FLOAT)], coefficients=listed(5), n_supports=5,
                rho=listed(1), **common)


def feature_models():
    one = [('y0', FLOAT)]
    classic('scaler', 'Scaler', one, offset=[0.5, 0.25, 0.0], scale=[2.0, 3.0, 4.0])
    for norm in ('MAX', 'L1', 'L2'):
        classic('normalizer_' + norm.lower(), 'Normalizer', one, norm=norm)
    classic('binarizer', 'Binarizer', one, threshold=0.25)
    classic('imputer', 'Imputer', one, imputed_value_floats=[7.0, 8.0, 9.0], replaced_value_float=-1.0)


random.seed(7)
folder.mkdir(parents=True, exist_ok=True)
recurrent_models()
tree_models()
linear_models()
vector_machines()
feature_models()
