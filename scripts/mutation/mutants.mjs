// The small mistakes that can be made in a compiled source file, each as a range of its text and what stands there instead.
import { parse } from 'acorn'

const OPERATORS = {
  '<': ['<='],
  '<=': ['<'],
  '>': ['>='],
  '>=': ['>'],
  '===': ['!=='],
  '!==': ['==='],
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  '/': ['*'],
  '%': ['*'],
  '&&': ['||'],
  '||': ['&&'],
  '??': ['&&'],
  '&': ['|'],
  '|': ['&'],
  '<<': ['>>'],
  '>>': ['<<'],
  '+=': ['-='],
  '-=': ['+='],
}

/** `source` as mutants `{start, end, replacement, kind}`, in the order of their places. Offsets are in UTF-16 units. */
export function mutantsOf(source) {
  const found = []
  const add = (start, end, replacement, kind) => found.push({ start, end, replacement, kind })
  visit(parse(source, { ecmaVersion: 'latest', sourceType: 'module' }), undefined, (node, parent) => {
    MUTATORS[node.type]?.(node, parent, source, add)
  })
  return found.sort((a, b) => a.start - b.start || a.end - b.end)
}

const MUTATORS = {
  BinaryExpression: swapOperator,
  LogicalExpression: swapOperator,
  AssignmentExpression: swapOperator,
  IfStatement: ({ test }, _parent, _source, add) => {
    add(test.start, test.end, 'true', 'condition always true')
    add(test.start, test.end, 'false', 'condition never true')
  },
  ConditionalExpression: ({ test }, _parent, _source, add) => {
    add(test.start, test.end, 'true', 'condition always true')
    add(test.start, test.end, 'false', 'condition never true')
  },
  WhileStatement: ({ test }, _parent, _source, add) => add(test.start, test.end, 'false', 'loop never entered'),
  UnaryExpression: ({ operator, start, argument }, _parent, _source, add) => {
    if (operator === '!') add(start, argument.start, '', 'negation dropped')
  },
  UpdateExpression: ({ operator, start, end, prefix }, _parent, _source, add) => {
    const other = operator === '++' ? '--' : '++'
    if (prefix) add(start, start + 2, other, `${operator} for ${other}`)
    else add(end - 2, end, other, `${operator} for ${other}`)
  },
  Literal: ({ value, start, end }, parent, _source, add) => {
    // A signal fires once, so `{ once: true }` of a listener only says so.
    if (typeof value === 'boolean' && parent.key?.name !== 'once')
      add(start, end, String(!value), `${value} for ${!value}`)
  },
  ExpressionStatement: ({ expression, start, end }, _parent, _source, add) => {
    const call = expression.type === 'AwaitExpression' ? expression.argument : expression
    const isCall = call.type === 'CallExpression' || call.type === 'ChainExpression'
    if (isCall && !isSuperCall(call)) add(start, end, ';', 'call left out')
    if (expression.type === 'AssignmentExpression') add(start, end, ';', 'assignment left out')
    if (expression.type === 'UpdateExpression') add(start, end, ';', 'count left out')
  },
  TryStatement: ({ finalizer }, _parent, _source, add) => {
    if (finalizer?.body.length) add(finalizer.start, finalizer.end, '{}', 'finally left out')
  },
  AwaitExpression: ({ start, argument }, parent, _source, add) => {
    if (parent?.type === 'ExpressionStatement') add(start, argument.start, 'void ', 'not awaited')
  },
  ThrowStatement: ({ start, end }, _parent, _source, add) => add(start, end, ';', 'throw left out'),
}

function swapOperator(node, _parent, source, add) {
  const { operator, left, right } = node
  if (operator === '+' && (isText(left) || isText(right))) return
  const at = source.indexOf(operator, left.end)
  for (const other of OPERATORS[operator] ?? []) add(at, at + operator.length, other, `${other} for ${operator}`)
}

function isText(node) {
  return node.type === 'TemplateLiteral' || (node.type === 'Literal' && typeof node.value === 'string')
}

function isSuperCall(node) {
  return node.callee?.type === 'Super'
}

function visit(node, parent, see) {
  see(node, parent)
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child !== null && typeof child === 'object' && typeof child.type === 'string') visit(child, node, see)
    }
  }
}
