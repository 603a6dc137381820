import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readArguments, UsageError } from '../src/arguments.js'
import { Screen } from '../src/screen.js'
import { table } from '../src/table.js'
import { shown, widthOf, wrap } from '../src/text.js'

const real = ['--crits-url', 'http://crits.example/', '--api-key', 'k', '--analysis-id', 'a']

test('a real CRITs is named with its key, its analysis and one file', () => {
  const { crits, files } = readArguments([...real, '--username', 'alice', 'sample.exe'])
  assert.deepEqual(files, ['sample.exe'])
  assert.deepEqual(crits, {
    url: 'http://crits.example',
    apiKey: 'k',
    username: 'alice',
    source: 'Internal',
    analysisId: 'a',
    objectId: undefined,
  })
})

const wrong: [string, string[], RegExp][] = [
  ['an unknown option', ['--bogus'], /--bogus/],
  ['a URL of another kind', ['--cuckoo-url', 'ftp://cuckoo.example'], /--cuckoo-url/],
  ['a real CRITs without a file', real, /exactly one FILE/],
  ['a real CRITs with two files', [...real, 'a', 'b'], /exactly one FILE/],
  ['a real CRITs without an analysis', ['--crits-url', 'http://c', '--api-key', 'k', 'f'], /--analysis-id/],
  ['a key without a CRITs', ['--api-key', 'k'], /--api-key/],
  ['a failure on real servers', ['--fail', '--cuckoo-url', 'http://c'], /--fail/],
  ['kills beside a real Cuckoo', ['--kill', '--cuckoo-url', 'http://c'], /--kill/],
  ['a failure of a CAPE', ['--cape', '--fail'], /--cape/],
  ['a CAPE beside a real Cuckoo', ['--cape', '--cuckoo-url', 'http://c'], /--cape/],
  ['no time at all', ['--deadline', '0'], /--deadline/],
  ['a time that is no number', ['--deadline', 'soon'], /--deadline/],
]
for (const [name, argv, message] of wrong) {
  test(`${name} is a wrong argument`, () => {
    assert.throws(
      () => readArguments(argv),
      error => error instanceof UsageError && message.test(error.message),
    )
  })
}

test('columns line up, whatever takes two columns of the terminal', () => {
  const lines = table(
    ['name', 'md5'],
    [
      ['請求書', 'a'],
      ['plain', 'b'],
    ],
    { width: 80, maxRows: 5 },
  )
  assert.deepEqual(lines, ['name    md5', '------  ---', '請求書  a', 'plain   b'])
})

test('a table is cut at its width and counts the rows that it leaves out', () => {
  const rows = [1, 2, 3].map(row => [`row ${row}`, 'x'.repeat(100)])
  const lines = table(['row', 'text'], rows, { width: 40, maxRows: 2 })
  assert.equal(lines.length, 5)
  assert.ok(lines.every(line => widthOf(line) <= 40))
  assert.match(lines[2] ?? '', /^row 1 {2}x+…$/)
  assert.equal(lines[4], '… 1 more row')
})

test('columns that do not fit are named, and those that are shown can be read', () => {
  const columns = ['result', 'category', 'status', 'return', 'timestamp', 'arguments']
  const lines = table(columns, [columns.map(name => `${name} of a call`)], { width: 64, maxRows: 5 })
  assert.match(lines[0] ?? '', /^result +category +status +return$/)
  assert.equal(lines.at(-1), '… not shown, as the terminal is too narrow: timestamp, arguments')
})

test('a verdict is wrapped between words, with what follows below its text', () => {
  assert.deepEqual(wrap('   dropped  a file, another one', 20, 12), [
    '   dropped  a file,',
    '            another',
    '            one',
  ])
})

test('what could command the terminal or turn the text around is shown as its code', () => {
  assert.equal(shown('a\x1b[2Jb\u202ec\r\n'), 'a\\x1b[2Jb\\u202ec\\x0d\\x0a')
})

test('on a terminal a live line changes in its place, below what stays', () => {
  let text = ''
  const screen = new Screen({ isTTY: true, write: (part: string) => (text += part) })
  screen.change(0, 'one: queued')
  screen.change(1, 'two: queued')
  screen.print('kill -9')
  screen.change(0, 'one: CRITs')
  screen.settle()
  screen.print('the end')
  assert.equal(seen(text), 'kill -9\none: CRITs\ntwo: queued\nthe end\n')
})

test('in a pipe each change of a live line is a line', () => {
  let text = ''
  const screen = new Screen({ write: (part: string) => (text += part) })
  screen.change(0, 'one: queued')
  screen.print('kill -9')
  screen.change(0, 'one: CRITs')
  assert.equal(text, 'one: queued\nkill -9\none: CRITs\n')
})

/** What a terminal shows in the end: `ESC [ n A CR ESC [ J` goes n lines up and clears what is below. */
function seen(stream: string): string {
  const [first = '', ...commands] = stream.split('\u001b[')
  const lines = first.split('\n')
  for (const command of commands) {
    const [, up, text = ''] = /^(?:(\d+)A\r|J)(.*)$/s.exec(command) ?? []
    if (up !== undefined) lines.splice(lines.length - 1 - Number(up), Number(up) + 1, '')
    const [rest, ...more] = text.split('\n')
    lines.push(`${lines.pop()}${rest}`, ...more)
  }
  return lines.join('\n')
}
