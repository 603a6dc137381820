// npm run bench -- distributed [submissions|growth|servers|lives|report]: measures the built distributed_cuckoo against its goals. Fails nothing.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { startCuckoo, startPostgres, startService } from '@cuckoo-distributed/testing'
import { Pool } from 'undici'

const MIB = 2 ** 20
const CLIENTS = 4

/** Finished and pending tasks. */
const FEW = [1000, 100]
const MANY = [1_000_000, 100_000]

const measures = { submissions, growth, servers, lives, report }
const asked = process.argv.slice(2)
const unknown = asked.filter(name => measures[name] === undefined)
if (unknown.length > 0) {
  console.error(`no part ${unknown.join(', ')}; there are: ${Object.keys(measures).join(', ')}`)
  process.exit(2)
}
for (const [name, measure] of Object.entries(measures)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  const folder = await mkdtemp(join(tmpdir(), 'bench-'))
  try {
    await measure(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Submissions per second, against the baseline in the same run. */
async function submissions(folder) {
  for (const [label, bytes, count] of [
    ['10 KB', 10_000, 1000],
    ['10 MB', 10_000_000, 30],
  ]) {
    const body = multipart(Buffer.alloc(bytes, 'MZ'))
    const rates = { baseline: [], ours: [] }
    const baseline = await startBaseline(folder)
    const server = await startServer(folder)
    // Alternating rounds, so that whatever else the machine does falls on both.
    for (let round = 0; round < 3; round += 1) {
      rates.baseline.push(await rate(baseline.url, body, count))
      rates.ours.push(await rate(server.url, body, count))
    }
    const [ours, bare] = [median(rates.ours), median(rates.baseline)]
    print(
      `submissions of ${label}`,
      `${ours.toFixed(0)}/s, bare ${bare.toFixed(0)}/s`,
      `ratio ${(ours / bare).toFixed(2)} (goal 0.6)`,
    )
    await Promise.all([baseline.stop(), server.stop()])
    await rm(join(folder, 'dist.db'), { force: true })
  }
}

/** What clients ask and what the scheduler does, with a thousand tasks and with a million, in both databases. */
async function growth(folder) {
  const postgres = await startPostgres()
  for (const [name, database] of [
    ['SQLite', async count => join(folder, `dist-${count}.db`)],
    ['PostgreSQL', () => postgres.createDatabase()],
  ]) {
    const [few, many] = [
      await measureGrowth(folder, await database('few'), FEW),
      await measureGrowth(folder, await database('many'), MANY),
    ]
    for (const what of Object.keys(few)) {
      print(
        `${name}: ${what}`,
        `${few[what].toFixed(1)} ms with ${FEW.join(' + ')} tasks, ${many[what].toFixed(1)} ms with ${MANY.join(' + ')}`,
        `ratio ${(many[what] / few[what]).toFixed(2)} (goal 20 ms)`,
      )
    }
  }
  await postgres.stop()
}

async function measureGrowth(folder, database, [finished, pending]) {
  // What a database has marked is looked for at the next start.
  const own = await mkdtemp(join(folder, 'directories-'))
  const config = {
    Database: database,
    SamplesDirectory: join(own, 'samples'),
    ReportsDirectory: join(own, 'reports'),
  }
  await (await startServer(folder, config)).stop()
  const seed = new URL('distributed-seed.mjs', import.meta.url).pathname
  execFileSync(process.execPath, [seed, database, String(finished), String(pending)])
  // It answers, and has too many pending tasks to get one of ours.
  const busy = await startNode(0, 1000)
  const server = await startServer(folder, config)
  await addNode(server, busy)
  const lately = Math.floor(Date.now() / 1000) - 3600
  const asked = {
    '/status': '/status',
    '/cuckoo/status': '/cuckoo/status',
    pending: '/task?status=pending&limit=1000',
    finished: '/task?status=finished&limit=1000',
    'of an owner': '/task?owner=often&limit=1000',
    'reported lately': `/tasks/list/1000?status=reported&completed_after=${lately}`,
    'from 500': '/task?offset=500&limit=1000',
    'from 50,000': '/task?offset=50000&limit=1000',
    '/api/status': '/api/status',
    '/api/stats': '/api/stats',
  }
  const times = {}
  for (const [what, path] of Object.entries(asked)) {
    const before = await server.process.cpu()
    times[what] = median(await repeat(20, () => timed(() => drain(server.url + path))))
    times[`${what}, processor of the server`] = ((await server.process.cpu()) - before) / 20
  }
  const before = await server.process.cpu()
  await new Promise(resolve => setTimeout(resolve, 5000))
  times['five seconds of planning, processor'] = (await server.process.cpu()) - before
  await server.stop()
  busy.close()
  return times
}

/** Submissions per second through one server and through three that share a database. */
async function servers(folder) {
  const postgres = await startPostgres()
  const body = multipart(Buffer.alloc(10_000, 'MZ'))
  const directories = {
    SamplesDirectory: join(folder, 'shared-samples'),
    ReportsDirectory: join(folder, 'shared-reports'),
  }
  const Database = await postgres.createDatabase()
  const all = []
  for (let i = 0; i < 3; i += 1) all.push(await startServer(folder, { Database, ...directories }))
  const [one, three] = [[], []]
  for (let round = 0; round < 3; round += 1) {
    one.push(await rate(all[0].url, body, 600))
    const rates = await Promise.all(all.map(server => rate(server.url, body, 300)))
    three.push(rates.reduce((sum, each) => sum + each, 0))
  }
  print(
    'submissions of 10 KB, PostgreSQL',
    `${median(one).toFixed(0)}/s through one server, ${median(three).toFixed(0)}/s through three`,
    `ratio ${(median(three) / median(one)).toFixed(2)}`,
  )
  await Promise.all(all.map(server => server.stop()))
  await postgres.stop()
}

/** Processor time of a task from its submission to the end of its copy, with a small report. */
async function lives(folder) {
  const node = await startCuckoo({ analysisTime: 0 })
  const server = await startServer(folder)
  await addNode(server, node)
  const body = multipart(Buffer.alloc(200_000, 'MZ'))
  const all = async count => {
    await rate(server.url, body, count)
    for (;;) {
      const { tasks } = await (await fetch(`${server.url}/status`)).json()
      if (tasks.pending + tasks.processing === 0) return
      await new Promise(resolve => setTimeout(resolve, 200))
    }
  }
  await all(50)
  const before = await server.process.cpu()
  const took = await timed(() => all(300))
  const cpu = ((await server.process.cpu()) - before) / 300
  print(
    'tasks of 200 KB',
    `${cpu.toFixed(1)} ms of processor each`,
    `${(300_000 / took).toFixed(1)} a second, one node`,
  )
  await server.stop()
  await node[Symbol.asyncDispose]()
}

/** Resident memory while a report of 1 GiB is fetched from a node and served. */
async function report(folder) {
  const size = 2 ** 30
  const node = await startNode(size)
  const server = await startServer(folder)
  await addNode(server, node)
  const idle = (await server.process.rss()).current
  await server.process.resetPeak()
  const fetched = await timed(async () => {
    await rate(server.url, multipart(Buffer.from('MZ')), 1)
    while ((await fetch(`${server.url}/report/1`, { method: 'HEAD' })).status !== 200)
      await new Promise(r => setTimeout(r, 100))
  })
  const fetching = (await server.process.rss()).peak
  await server.process.resetPeak()
  const served = await timed(() => drain(`${server.url}/report/1`, join(folder, 'copy')))
  const serving = (await server.process.rss()).peak
  const whole = (await stat(join(folder, 'copy'))).size === size
  print(
    'a report of 1 GiB',
    `fetched in ${(fetched / 1000).toFixed(1)} s, served in ${(served / 1000).toFixed(1)} s${whole ? '' : ', NOT WHOLE'}`,
    `resident ${mib(fetching)} and ${mib(serving)}, ${mib(idle)} before (goal 140)`,
  )
  await server.stop()
  node.close()
}

async function startServer(folder, config = {}) {
  const process = await startService('distributed_cuckoo', {
    config: {
      Port: 0,
      Database: join(folder, 'dist.db'),
      SamplesDirectory: join(folder, `samples-${Date.now()}`),
      ReportsDirectory: join(folder, `reports-${Date.now()}`),
      ReportFormats: ['json'],
      Interval: 0.2,
      LogLevel: 'info',
      ...config,
    },
  })
  const { port } = await process.waitForLog('listening', { deadlineMs: 30_000 })
  return { process, url: `http://127.0.0.1:${port}`, stop: () => process.stop() }
}

async function addNode(server, node) {
  const body = new URLSearchParams({ name: 'n', url: node.url })
  const answer = await fetch(`${server.url}/node`, { method: 'POST', body })
  if (answer.status !== 200) throw new Error(`the node was not taken: ${await answer.text()}`)
}

async function startBaseline(folder) {
  const script = new URL('distributed-baseline.mjs', import.meta.url).pathname
  const path = await mkdtemp(join(folder, 'baseline-'))
  const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [port] = await once(createInterface({ input: child.stdout }), 'line')
  return { url: `http://127.0.0.1:${port}`, stop: async () => child.kill() && once(child, 'exit') }
}

/** A node that has reported every task at once, with a JSON report of this size; `pending`: what its status says. */
async function startNode(size, pending = 0) {
  const pad = Buffer.alloc(MIB, 'x')
  let custom = ''
  const server = createServer(async (request, response) => {
    const answer = value => response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const form = Buffer.concat(chunks).toString('latin1')
    custom = /name="custom"\r\n\r\n([^\r]*)/.exec(form)?.[1] ?? custom
    if (request.url === '/machines/list') answer({ machines: [{ name: 'm', platform: 'windows', tags: [] }] })
    else if (request.url === '/cuckoo/status')
      answer({ tasks: { pending, running: 0, completed: 0, reported: 1, total: 1 } })
    else if (request.url === '/tasks/create/file') answer({ task_id: 1 })
    else if (request.url === '/tasks/view/1') {
      answer({ task: { id: 1, status: 'reported', custom, sample: { sha256: await sampleDigest() } } })
    } else if (request.url === '/tasks/report/1/json') {
      response.setHeader('content-length', size)
      await pipeline(Readable.from(bigJson(size, pad)), response)
    } else if (request.url.startsWith('/tasks/report/')) response.writeHead(404).end()
    else answer({ status: 'OK' })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() }
}

async function sampleDigest() {
  const digest = await crypto.subtle.digest('SHA-256', Buffer.from('MZ'))
  return Buffer.from(digest).toString('hex')
}

function* bigJson(size, pad) {
  const [head, tail] = ['{"strings": "', '"}']
  let left = size - head.length - tail.length
  yield Buffer.from(head)
  for (; left > pad.length; left -= pad.length) yield pad
  yield pad.subarray(0, left)
  yield Buffer.from(tail)
}

function multipart(content) {
  const boundary = 'bench-boundary'
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="s.exe"\r\nContent-Type: application/octet-stream\r\n\r\n`
  const body = Buffer.concat([Buffer.from(head), content, Buffer.from(`\r\n--${boundary}--\r\n`)])
  return { body, headers: { 'content-type': `multipart/form-data; boundary=${boundary}` } }
}

/** Posts per second, with a few clients at a time. */
async function rate(url, { body, headers }, count) {
  const pool = new Pool(url, { connections: CLIENTS })
  let left = count
  const milliseconds = await timed(() =>
    Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        while (left-- > 0) {
          const answer = await pool.request({ method: 'POST', path: '/task', headers, body })
          const text = await answer.body.text()
          if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}: ${text}`)
        }
      }),
    ),
  )
  await pool.close()
  return (count * 1000) / milliseconds
}

async function drain(url, path = '/dev/null') {
  const { status, body } = await fetch(url)
  if (status !== 200) throw new Error(`${url}: status ${status}`)
  await pipeline(body, createWriteStream(path))
}

async function timed(work) {
  const start = performance.now()
  await work()
  return performance.now() - start
}

async function repeat(times, work) {
  const results = []
  for (let i = 0; i < times; i += 1) results.push(await work())
  return results
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
}

function mib(bytes) {
  return `${(bytes / MIB).toFixed(0)} MiB`
}

function print(what, measured, verdict) {
  console.log(`${what.padEnd(24)} ${measured}; ${verdict}`)
}
