import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { NOTE_HEADERS, readHeaders, writeHeaders } from '@cuckoo-distributed/core'
import { POSTING_ORDER } from '@cuckoo-distributed/crits-client'
import {
  asRecord,
  codeSpans,
  filesIn,
  PIPELINE,
  read,
  readJson,
  root,
  schemaOf,
  sectionOf,
  tableIn,
} from './project.js'

const PAGES_ABOUT_CODE = /^(CHANGELOG|bench\/.*|packages\/.*|docs\/(architecture|message-format|decisions\/.*))/
/** Of systemd and Kubernetes, where no file in deploy has them. */
const KEYS_OF_OTHERS = ['MemoryDenyWriteExecute', 'TimeoutStopSec', 'ReadWritePaths', 'IPAddressDeny', 'IPAddressAllow']
const MEANINGS = 'services/overseer/src/failure-codes.ts'

test('what the documentation shows out of the code is up to date: npm run docs', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts/docs.mjs'), '--check'], {
    encoding: 'utf8',
  })
  assert.equal(status, 0, stdout + stderr)
})

test('docs/configuration.md lists every option of the command line', () => {
  const offered = optionsOf('overseer')
  const listed = tableIn(sectionOf(read('docs/configuration.md'), '## Command line'))
    .flatMap(([option = '']) => codeSpans(option))
    .filter(option => option.startsWith('--'))
    .map(option => option.slice(2).split(' ')[0])
  assert.deepEqual(listed.sort(), offered.sort())
})

test('README can be read in one go', () => {
  assert.ok(read('README.md').split('\n').length <= 200)
})

test('every link leads to a file, and to a heading in it', async () => {
  const broken = (await markdownFiles()).flatMap(file => {
    const links = [...read(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link)
    return links.filter(link => !/^https?:/.test(link) && !leadsSomewhere(file, link)).map(link => `${file}: ${link}`)
  })
  assert.deepEqual(broken, [])
})

test('every file of the project that the documentation names is there', async () => {
  const files = (await Promise.all(['bench', 'packages', 'services', 'scripts', 'test'].map(filesIn))).flat()
  const isThere = (path: string) => existsSync(join(root, path)) || files.some(file => file.endsWith(`/${path}`))
  const fromRoot = /^(bench|configs|deploy|docs|packages|scripts|services|test)\/[\w./-]+$/
  const gone = (await markdownFiles()).flatMap(page => {
    // Decisions also tell of what others have removed since.
    const isFile = page.startsWith('docs/decisions/') ? fromRoot : /^[\w./-]+\.ts$/
    const named = codeSpans(read(page)).filter(text => fromRoot.test(text) || isFile.test(text))
    return named.filter(path => !isThere(path)).map(path => `${page}: ${path}`)
  })
  assert.deepEqual(gone, [])
})

test('every npm script that the documentation names exists', async () => {
  const scripts = asRecord(readJson('package.json').scripts, 'scripts')
  const named = (await markdownFiles()).flatMap(file => [...read(file).matchAll(/npm (?:run )?([a-z]+(?::[a-z]+)*)/g)])
  const unknown = named.map(([, name = '']) => name).filter(name => name !== 'ci' && !(name in scripts))
  assert.ok(named.length > 0)
  assert.deepEqual(unknown, [])
})

test('docs/message-format.md lists every header that is written', () => {
  const headers = {
    ...readHeaders(NOTE_HEADERS),
    attempts: 1,
    failures: [{ at: '', service: '', error: '' }],
    seen: true,
    permanent: true,
    cause: { code: 'CRITS_AUTH', since: 1, tries: 1 },
    failed: { service: '', queue: 'queue', error: '', desc: '', failedAt: '' },
  }
  const listed = tableIn(sectionOf(read('docs/message-format.md'), '## Headers')).flatMap(([name = '']) =>
    codeSpans(name),
  )
  assert.deepEqual(listed.sort(), Object.keys(writeHeaders(headers)).sort())
})

test('every log message that docs/operations.md explains is in the code', async () => {
  const code = await productSource()
  const named = namedIn('docs/operations.md', '## What to watch in the log')
  assert.ok(named.length > 10)
  assert.deepEqual(
    named.filter(text => !code.includes(`'${text}'`)),
    [],
  )
})

test('every warning and error that services log is explained', async () => {
  const code = await productSource()
  const logged = [...code.matchAll(/\.(?:warn|error|fatal)\(\s*(?:[^'()]|\([^()]*\))*?'([^'\n]{6,})'/g)]
  const pages = ['operations', 'runbook', 'distributed-cuckoo', 'sandboxes']
    .map(page => read(`docs/${page}.md`))
    .join('')
  assert.ok(logged.length > 50)
  assert.deepEqual(
    logged.map(([, text = '']) => text).filter(text => !pages.includes(text)),
    [],
  )
})

test('docs/configuration.md names every subtype of rows', () => {
  const section = codeSpans(sectionOf(read('docs/configuration.md'), '## What each parser sends'))
  assert.deepEqual(
    POSTING_ORDER.filter(subtype => !section.includes(subtype)),
    [],
  )
})

test('every npm script is in the documentation', () => {
  const pages = read('docs/contributing.md') + read('README.md') + read('docs/scale.md')
  const scripts = Object.keys(asRecord(readJson('package.json').scripts, 'scripts'))
  assert.deepEqual(
    scripts.filter(name => !new RegExp(`npm (?:run )?${name}\\b(?!:)`).test(pages)),
    [],
  )
})

test('every command that a service has is in the documentation', () => {
  const pages = read('docs/configuration.md') + read('docs/operations.md') + read('docs/distributed-cuckoo.md')
  const commands = ['overseer', 'distributed_cuckoo'].flatMap(service =>
    [...helpOf(service).matchAll(new RegExp(`^ +${service} ([a-z]+)`, 'gm'))].map(([, name = '']) => name),
  )
  assert.ok(commands.length > 7)
  assert.deepEqual(
    commands.filter(name => !pages.includes(`${name} `) && !pages.includes(`\`${name}\``)),
    [],
  )
})

test('docs/failure-codes.md lists every code of an error, and no other', async () => {
  const code = await productSource()
  const given = /(?:\bcode(?:: [^=,\n]+)? = |\bcode: |\bcode\) : |(?:Error|super)\(\s*)'([A-Z][A-Z0-9_]+)'/g
  const unions = [...code.matchAll(/ErrorCode =([^=]*?)\n\n/g)].flatMap(([, union = '']) => [
    ...union.matchAll(/'([^']+)'/g),
  ])
  const codes = new Set([...code.matchAll(given), ...unions].map(([, name]) => name))
  const listed = ['## Codes of failures', '## Codes that no message fails with'].flatMap(heading =>
    namedIn('docs/failure-codes.md', heading),
  )
  assert.ok(codes.size > 50)
  assert.deepEqual(listed.sort(), [...codes].sort())
})

test('decisions have numbers of their own and say context, decision and consequence', async () => {
  const records = (await filesIn('docs/decisions')).filter(path => !path.endsWith('/README.md'))
  const numbers = records.map(path => Number(/\/(\d{4})-[a-z0-9-]+\.md$/.exec(path)?.[1]))
  assert.ok(numbers.every(Number.isInteger))
  assert.equal(new Set(numbers).size, records.length)
  for (const path of records) {
    assert.match(read(path), /^# \d{4} .*\*\*Context\.\*\*.*\*\*Decision\.\*\*.*\*\*Consequence\.\*\*/s, path)
  }
})

test('every command of ours that the documentation shows exists, with its options', async () => {
  const commands = (await markdownFiles()).flatMap(page => commandsIn(read(page)).map(words => ({ page, words })))
  const wrong = commands.flatMap(({ page, words: [service = '', ...words] }) => {
    const [first = '', second = ''] = words
    const command =
      service === 'overseer' && /^[a-z]/.test(first) ? (first === 'dumps' ? [first, second] : [first]) : []
    const known = ['help', 'version', ...optionsOf(service, ...command)]
    const options = words.flatMap(word => [...(/^--?([\w-]+)/.exec(word)?.slice(1) ?? [])])
    const isCommand = command.length === 0 || helpOf(service, ...command).startsWith(`${service} ${command.join(' ')}`)
    const unknown = options.filter(option => !known.includes(option))
    return isCommand && unknown.length === 0 ? [] : [`${page}: ${service} ${words.join(' ')}`]
  })
  assert.ok(commands.length > 30)
  assert.deepEqual(wrong, [])
})

test('every configuration key that the pages for users name exists', async () => {
  const schemas = await Promise.all([...PIPELINE, 'distributed_cuckoo'].map(schemaOf))
  const keys = new Set([...schemas.flatMap(schema => Object.keys(schema.properties)), ...KEYS_OF_OTHERS])
  const pages = (await markdownFiles()).filter(page => !PAGES_ABOUT_CODE.test(page))
  const deployed = (await filesIn('deploy'))
    .filter(path => !path.endsWith('.md'))
    .map(read)
    .join('\n')
  const unknown = pages.flatMap(page => {
    const named = codeSpans(read(page)).flatMap(span => [
      ...(/^"?([A-Z][a-z]+[A-Z]\w*)"?(?:: .*)?$/.exec(span)?.slice(1) ?? []),
    ])
    return named.filter(name => !keys.has(name) && !deployed.includes(name)).map(name => `${page}: ${name}`)
  })
  assert.deepEqual(unknown, [])
})

test('what docs/runbook.md looks for is what the services say', async () => {
  const code = await productSource()
  const shown = read('docs/runbook.md')
    .split('\n')
    .filter(line => line.startsWith('|'))
    .flatMap(line => codeSpans(line.split(' | ', 1)[0] ?? ''))
  const unsaid = shown.filter(
    text => !text.startsWith('worker/') && !text.split(/…|; /).every(part => code.includes(part)),
  )
  assert.ok(shown.length > 30)
  assert.deepEqual(unsaid, [])
})

/** Commands of ours in code blocks and code spans: the service, and the words behind it. */
function commandsIn(markdown: string): string[][] {
  const blocks = [...markdown.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block = '']) => block.split('\n'))
  const lines = [...blocks, ...codeSpans(markdown)]
  return lines.flatMap(line => {
    const words = line
      .replace(/(^| )#.*/, '')
      .split(/[\s|;&]+/)
      .filter(Boolean)
    const at = words.findLastIndex(word => /^(?:\S*\/)?[a-z]+_?[a-z_]*(?:\.mjs)?$/.test(word) && isService(word))
    const service = serviceOf(words[at] ?? '')
    const rest = words.slice(at + 1)
    const isOurs = words.slice(0, at).every(word => /^(?:pipeline|node|docker|compose|exec|overseer|\$.*)$/.test(word))
    return at >= 0 && isOurs && /^(?:--?\w|where|dumps|queues)/.test(rest[0] ?? '') ? [[service, ...rest]] : []
  })
}

function serviceOf(word: string): string {
  return word.replace(/^.*\//, '').replace(/\.mjs$/, '')
}

function isService(word: string): boolean {
  return [...PIPELINE, 'distributed_cuckoo'].some(service => service === serviceOf(word))
}

/** The options that `--help` lists, without dashes. */
function optionsOf(service: string, ...command: string[]): string[] {
  return [...helpOf(service, ...command).matchAll(/^ +(?:-\w, )?--([\w-]+)/gm)].map(([, name = '']) => name)
}

const helpTexts = new Map<string, string>()

function helpOf(service: string, ...command: string[]): string {
  const asked = [service, ...command].join(' ')
  const known = helpTexts.get(asked)
  if (known !== undefined) return known
  const main = join(root, `services/${service}/build/src/main.js`)
  const { stdout } = spawnSync(process.execPath, [main, ...command, '--help'], { encoding: 'utf8' })
  helpTexts.set(asked, stdout)
  return stdout
}

/** The sources of packages and services, as one text, but for tests, for show, and for what codes mean. */
async function productSource(): Promise<string> {
  const sources = (await Promise.all(['packages', 'services'].map(filesIn))).flat()
  const isProduct = (path: string) =>
    path !== MEANINGS && /\/src\/.*\.ts$/.test(path) && !/^packages\/(testing|demo)\//.test(path)
  return sources.filter(isProduct).map(read).join('\n')
}

/** The code spans in the first column of the table under a heading of a page. */
function namedIn(page: string, heading: string): string[] {
  return tableIn(sectionOf(read(page), heading)).flatMap(([first = '']) => codeSpans(first))
}

async function markdownFiles(): Promise<string[]> {
  const files = (await Promise.all(['docs', 'bench', 'deploy', 'packages', 'services'].map(filesIn))).flat()
  return ['README.md', 'CHANGELOG.md', ...files].filter(path => path.endsWith('.md') && !path.includes('/fixtures/'))
}

function leadsSomewhere(file: string, link: string): boolean {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? file : normalize(join(dirname(file), path))
  if (!existsSync(join(root, target))) return false
  return anchor === undefined || headingsOf(target).includes(anchor)
}

/** Headings as GitHub makes anchors of them. */
function headingsOf(file: string): string[] {
  const headings = [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, text = '']) => text)
  return headings.map(text =>
    text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  )
}
