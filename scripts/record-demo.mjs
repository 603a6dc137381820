// npm run demo:record [-- FILE]: runs `npm run demo -- --kill` on a terminal and writes what it showed as an SVG that plays
// (default docs/images/demo.svg). Needs `script` (util-linux).
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const COLUMNS = 120
const LINE = 17
const LETTER = 7.83
/** How long the end stays before it begins anew, in seconds. */
const REST = 8
/** No wait in the recording is longer; the demo's own times stay otherwise. */
const LONGEST = 1.5

const frames = await record()
const file = resolve(process.argv[2] ?? join(root, 'docs', 'images', 'demo.svg'))
await mkdir(dirname(file), { recursive: true })
await writeFile(file, draw(frames))
console.log(`${file}: ${frames.length} frames, ${frames.at(-1).at.toFixed(0)} s`)

/** The demo's lines after each change: `{ at, lines }`, in seconds. */
async function record() {
  const command = `stty cols ${COLUMNS}; exec node scripts/demo.mjs --kill`
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  const frames = []
  const lines = ['$ npm run demo -- --kill', '']
  let at = 0
  let before
  child.stdout.setEncoding('utf8')
  for await (const chunk of child.stdout) {
    const now = performance.now()
    if (before !== undefined) at += Math.min((now - before) / 1000, LONGEST)
    before = now
    show(lines, chunk)
    frames.push({ at, lines: lines.flatMap(wrapped) })
  }
  const [exitCode] = await ended
  if (exitCode !== 0) throw new Error(`the demo has ended with ${exitCode}:\n${lines.join('\n')}`)
  return frames
}

/** What a terminal does with the one command that the demo uses, `ESC [ n A CR ESC [ J`: n lines up, and clear. */
function show(lines, chunk) {
  const [before, ...commands] = chunk.replaceAll('\r\n', '\n').split('\u001b[')
  append(lines, before)
  for (const command of commands) {
    const [, up, text] = /^(?:(\d+)A\r|J)(.*)$/s.exec(command) ?? [undefined, undefined, command]
    if (up !== undefined) lines.splice(lines.length - 1 - Number(up), Number(up) + 1, '')
    append(lines, text)
  }
}

function append(lines, text) {
  const [rest, ...more] = text.split('\n')
  lines.push(`${lines.pop() ?? ''}${rest}`, ...more)
}

/** A terminal breaks what is too long. */
function wrapped(line) {
  return line.length <= COLUMNS ? line : line.match(new RegExp(`.{1,${COLUMNS}}`, 'gu'))
}

/** Each text of a line is an element that is seen from its frame to the one in which the line changes. */
function draw(frames) {
  const rows = Math.max(...frames.map(({ lines }) => lines.length))
  const end = frames.at(-1).at + REST
  const texts = []
  for (let row = 0; row < rows; row++) {
    let shown
    for (const { at, lines } of [...frames, { at: end, lines: [] }]) {
      const text = lines[row] ?? ''
      if (shown?.text === text) continue
      if (shown?.text) texts.push(element(row, shown.text, shown.at / end, at / end, end))
      shown = { text, at }
    }
  }
  const [width, height] = [Math.ceil(COLUMNS * LETTER + 32), rows * LINE + 32]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="The demo: four samples pass through the pipeline while its services and the broker are killed">
<rect width="100%" height="100%" rx="8" fill="#16181d"/>
<g fill="#d6dae2" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="13">
${texts.join('\n')}
</g>
</svg>
`
}

function element(row, text, from, to, seconds) {
  const y = 16 + (row + 1) * LINE - 4
  const colour = /^kill -9/.test(text) ? ' fill="#ff8f7a"' : /arrived/.test(text) ? ' fill="#8fd694"' : ''
  const times = to < 1 ? `0;${from.toFixed(4)};${to.toFixed(4)}` : `0;${from.toFixed(4)}`
  const values = to < 1 ? 'hidden;visible;hidden' : 'hidden;visible'
  const animate = `<animate attributeName="visibility" calcMode="discrete" dur="${seconds.toFixed(1)}s" repeatCount="indefinite" keyTimes="${times}" values="${values}"/>`
  // Where nothing plays, the end is seen.
  const still = to < 1 ? ' visibility="hidden"' : ''
  return `<text x="16" y="${y}"${colour}${still}>${escaped(text)}${from === 0 && to >= 1 ? '' : animate}</text>`
}

/** Blanks stay where they are. */
function escaped(text) {
  return text.replace(/[&<>]/g, letter => `&#${letter.charCodeAt(0)};`).replaceAll(' ', '\u00a0')
}
