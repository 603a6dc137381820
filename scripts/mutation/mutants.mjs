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

/** A literal beside one of these is a bound or a step. */
const COUNTING = new Set(['<', '<=', '>', '>=', '===', '!==', '+', '-'])
const GREATEST_COUNT = 100

/**
 * `source` as mutants `{start, end, replacement, kind, from}`, in the order of their places. Offsets are in UTF-16 units. A test that
 * runs what is at `from` runs the change.
 */
export function mutantsOf(source) {
  const found = []
  const add = (start, end, replacement, kind, from = start) => found.push({ start, end, replacement, kind, from })
  visit(parse(source, { ecmaVersion: 'latest', sourceType: 'module' }), undefined, (node, parent) => {
    if (isNoise(node)) return false
    MUTATORS[node.type]?.(node, parent, source, add)
    return true
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
    if (typeof value === 'number' && value <= GREATEST_COUNT && COUNTING.has(parent.operator))
      add(start, end, String(value + 1), 'one more')
    // A signal fires once, so `{ once: true }` of a listener only says so.
    if (typeof value === 'boolean' && parent.key?.name !== 'once')
      add(start, end, String(!value), `${value} for ${!value}`)
  },
  ExpressionStatement: ({ expression, start, end }, _parent, _source, add) => {
    if (isCall(expression)) add(start, end, ';', 'call left out')
    if (expression.type === 'AssignmentExpression') add(start, end, ';', 'assignment left out')
    if (expression.type === 'UpdateExpression') add(start, end, ';', 'count left out')
  },
  BlockStatement: swapCalls,
  Program: swapCalls,
  TryStatement: ({ block, finalizer }, _parent, source, add) => {
    if (!finalizer?.body.length) return
    const isUsing = source.slice(block.start, block.end).includes('__addDisposableResource(')
    add(finalizer.start, finalizer.end, '{}', isUsing ? 'using left out' : 'finally left out')
  },
  AwaitExpression: ({ start, argument }, parent, _source, add) => {
    if (parent?.type === 'ExpressionStatement') add(start, argument.start, 'void ', 'not awaited')
    if (parent?.type === 'ReturnStatement') add(start, argument.start, '', 'returned, not awaited')
  },
  ThrowStatement: ({ start, end }, _parent, _source, add) => add(start, end, ';', 'throw left out'),
}

function swapOperator(node, _parent, source, add) {
  const { operator, left, right } = node
  if (operator === '+' && (isText(left) || isText(right))) return
  const at = source.indexOf(operator, left.end)
  // Coverage counts the operator of `a ?? b` to what is run for b alone.
  for (const other of OPERATORS[operator] ?? [])
    add(at, at + operator.length, other, `${other} for ${operator}`, left.start)
}

/** Two calls beside each other, one of them awaited: the order in which things happen. */
function swapCalls({ body }, _parent, source, add) {
  for (const [i, second] of body.entries()) {
    const first = body[i - 1]
    if (!isCall(first?.expression) || !isCall(second.expression) || isNoise(first) || isNoise(second)) continue
    if (![first, second].some(({ expression }) => expression.type === 'AwaitExpression')) continue
    const [one, two] = [first, second].map(({ start, end }) => source.slice(start, end))
    add(first.start, second.end, `${two} ${one}`, 'order of two calls')
  }
}

function isCall(expression) {
  const call = expression?.type === 'AwaitExpression' ? expression.argument : expression
  return (call?.type === 'CallExpression' || call?.type === 'ChainExpression') && call.callee?.type !== 'Super'
}

/** Words for a log or an error, lines that only tell, and what the compiler makes of `using`. */
function isNoise({ type, expression, callee, test, consequent, alternate, id }) {
  if (type === 'TemplateLiteral') return true
  if (type === 'ExpressionStatement') {
    const name = nameOf(expression.callee)
    if (/^(log|logger)\.(trace|debug|info)$/.test(name) || name === '__disposeResources') return true
    return /^env_\d+$/.test(expression.left?.object?.name ?? '')
  }
  if (type === 'IfStatement') return /^result_\d+$/.test(test.name ?? '') || (!alternate && isNoise(consequent))
  if (type === 'CallExpression') return callee.name === '__addDisposableResource'
  return type === 'VariableDeclarator' && /^__/.test(id.name ?? '')
}

/** `log.info` for `this.#options.log.info`. */
function nameOf(callee) {
  if (callee?.type !== 'MemberExpression') return callee?.name ?? ''
  const of = callee.object
  return `${of.name ?? of.property?.name ?? ''}.${callee.property.name}`
}

function isText(node) {
  return node.type === 'TemplateLiteral' || (node.type === 'Literal' && typeof node.value === 'string')
}

function visit(node, parent, see) {
  if (!see(node, parent)) return
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child !== null && typeof child === 'object' && typeof child.type === 'string') visit(child, node, see)
    }
  }
}
