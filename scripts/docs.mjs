// npm run docs: renews what the documentation shows out of the code: the keys of configurations from their schemas, the options of
// commands, the codes of failures, and the index of decisions. `-- --check` changes nothing and ends with exit code 1 when a page is out of date.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { numbersTable, scaleTable } from './scale.mjs'

const root = new URL('../', import.meta.url)
const PIPELINE = ['feed_cuckoo', 'check_results', 'parse_and_submit', 'overseer']

const schemas = await schemasOf([...PIPELINE, 'distributed_cuckoo'])
const PARTS = {
  'docs/configuration.md': {
    'keys of all services': keyTable(commonKeys()),
    ...Object.fromEntries(PIPELINE.map(service => [`keys of ${service}`, keyTable(ownKeys(service))])),
    'options of overseer commands': await optionTable('overseer', 'overseer'),
  },
  'docs/distributed-cuckoo.md': {
    'keys of distributed_cuckoo': keyTable(rowsOf('distributed_cuckoo')),
    'options of distributed_cuckoo': await optionTable('distributed_cuckoo', 'distributedCuckoo'),
  },
  'docs/failure-codes.md': { 'codes of failures': await failureTable() },
  'docs/scale.md': { 'needs of a million samples a day': scaleTable(), 'numbers of scale': numbersTable() },
  'docs/decisions/README.md': { decisions: decisionList() },
}

const isCheck = process.argv.includes('--check')
for (const [page, parts] of Object.entries(PARTS)) {
  const path = new URL(page, root)
  const old = readFileSync(path, 'utf8')
  const renewed = Object.entries(parts).reduce((text, [name, part]) => replacePart(text, { page, name, part }), old)
  if (renewed === old) continue
  console.log(`${page} ${isCheck ? 'is out of date: npm run docs' : 'renewed'}`)
  if (isCheck) process.exitCode = 1
  else writeFileSync(path, renewed)
}

function replacePart(text, { page, name, part }) {
  const begin = `<!-- npm run docs: ${name} -->\n`
  const end = '\n<!-- end -->'
  const from = text.indexOf(begin)
  const to = text.indexOf(end, from)
  if (from < 0 || to < 0) throw new RangeError(`${page} needs the lines ${begin.trim()} and ${end.trim()}`)
  return `${text.slice(0, from + begin.length)}\n${part}${text.slice(to)}`
}

async function schemasOf(services) {
  const found = services.map(async service => {
    const module = await import(new URL(`services/${service}/build/src/config.js`, root).href)
    const schema = Object.values(module).find(value => value?.type === 'object' && value.properties)
    if (schema === undefined) throw new RangeError(`${service} has no schema`)
    return [service, schema]
  })
  return Object.fromEntries(await Promise.all(found))
}

/** Required keys first, otherwise as in the schema. */
function rowsOf(service) {
  const rows = Object.entries(schemas[service].properties).map(([key, { default: value, description }]) => {
    const shown = value === undefined ? 'required' : `\`${JSON.stringify(value)}\``
    return `| \`${key}\` | ${shown} | ${description.replaceAll('|', '\\|')} |`
  })
  return rows.sort((a, b) => Number(isOptional(a)) - Number(isOptional(b)))
}

function isOptional(row) {
  return !row.includes('` | required | ')
}

function commonKeys() {
  const [first, ...others] = PIPELINE.map(rowsOf)
  return first.filter(row => others.every(rows => rows.includes(row)))
}

function ownKeys(service) {
  const common = commonKeys()
  return rowsOf(service).filter(row => !common.includes(row))
}

function keyTable(rows) {
  return ['| Key | Default | Meaning |', '|---|---|---|', ...rows, ''].join('\n')
}

/** Each option once for all commands that take it with the same meaning. */
async function optionTable(service, name) {
  const { [name]: definition } = await import(new URL(`services/${service}/build/src/service.js`, root).href)
  const own = name === 'overseer' ? [] : [{ usage: 'the server', options: definition.options }]
  const all = [...own, ...(definition.commands ?? []).flatMap(flat), ...(definition.setUps ?? []).flatMap(flat)]
  const rows = new Map()
  for (const { usage, options = {} } of all) {
    for (const [option, { describe, default: value }] of Object.entries(options)) {
      const shown = value === undefined || value === '.' ? '' : ` (${value} by default)`
      const meaning = `${describe.replaceAll('|', '\\|')}${shown}`
      const key = `\`--${option}\`\0${meaning}`
      rows.set(key, [...(rows.get(key) ?? []), usage === 'the server' ? usage : `\`${usage}\``])
    }
  }
  const lines = [...rows].map(([key, commands]) => {
    const [option, meaning] = key.split('\0')
    return `| ${option} | ${commands.join(', ')} | ${meaning} |`
  })
  return ['| Option | Of | Meaning |', '|---|---|---|', ...lines, ''].join('\n')
}

/** A command, or the commands of a group, by their names. */
function flat({ usage, commands, options }) {
  const [word] = usage.split(' ')
  return commands === undefined
    ? [{ usage: word, options }]
    : commands.flatMap(flat).map(inner => ({ ...inner, usage: `${word} ${inner.usage}` }))
}

async function failureTable() {
  const meanings = await import(new URL('services/overseer/build/src/failure-codes.js', root).href)
  const rows = meanings.FAILURE_MEANINGS.map(({ codes, isShared, text }) => {
    return `| ${codes.map(code => `\`${code}\``).join(', ')}${isShared ? ' *' : ''} | ${text} |`
  })
  return ['| Code | Meaning and what to do |', '|---|---|', ...rows, ''].join('\n')
}

function decisionList() {
  const folder = fileURLToPath(new URL('docs/decisions/', root))
  const records = readdirSync(folder).filter(name => /^\d{4}-.*\.md$/.test(name))
  const lines = records.sort().map(name => {
    const [, number, title] = /^# (\d{4}) (.*)$/m.exec(readFileSync(`${folder}${name}`, 'utf8')) ?? []
    return `- [${number}](${name}) ${title}`
  })
  return [...lines, ''].join('\n')
}
