// npm run test:upgrade -- COMMIT: builds distributed_cuckoo as it was at COMMIT, which must know the lease (decision 0062), and runs it
// beside the one of now: on one PostgreSQL and the same directories, with tasks flowing, each killed while it schedules and followed by
// the other. Exits with 1 unless every task that was accepted has its report.
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { builtService, startCuckoo, startPostgres, startService, waitFor } from '@cuckoo-distributed/testing'

// As an earlier version says it, and this one.
const SCHEDULES = /^this process (schedules|is now the scheduler)$/
const SOON = { deadlineMs: 240_000, everyMs: 200 }

const [commit] = process.argv.slice(2)
if (commit === undefined) {
  console.error('usage: npm run test:upgrade -- COMMIT')
  process.exit(2)
}
const folder = await mkdtemp(join(tmpdir(), 'upgrade-'))
const postgres = await startPostgres()
const nodes = [await startCuckoo({ analysisTime: 300 }), await startCuckoo({ analysisTime: 300, version: '2.0' })]
const running = new Set()
try {
  await run(builtAt(commit), builtService('distributed_cuckoo'))
} finally {
  for (const { process } of running) await process.kill()
  for (const node of nodes) await node[Symbol.asyncDispose]()
  await postgres.stop()
  await rm(folder, { recursive: true, force: true })
  execFileSync('git', ['worktree', 'prune'])
}

function builtAt(ref) {
  const cwd = join(folder, 'old')
  const go = (...command) => execFileSync(command[0], command.slice(1), { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
  execFileSync('git', ['worktree', 'add', '--quiet', '--detach', cwd, ref])
  go('npm', 'ci', '--no-audit', '--no-fund', '--loglevel=error')
  go('npm', 'run', '--silent', 'build')
  return join(cwd, 'services/distributed_cuckoo/dist/distributed_cuckoo.mjs')
}

async function run(oldBundle, newBundle) {
  const config = {
    ...{ Port: 0, ReportFormats: ['json'], Interval: 0.2, MinFreeSpace: 0, Database: await postgres.createDatabase() },
    ...{ SamplesDirectory: join(folder, 'samples'), ReportsDirectory: join(folder, 'reports') },
  }
  const start = async (name, bundle) => {
    const process = await startService(bundle, { config })
    const { port } = await process.waitForLog('listening', { deadlineMs: 60_000 })
    const server = { name, process, url: `http://127.0.0.1:${port}` }
    running.add(server)
    console.log(`${name} runs`)
    return server
  }
  const kill = async server => {
    running.delete(server)
    await server.process.kill()
    console.log(`${server.name} is killed`)
  }
  const leads = async server => {
    await server.process.waitForLog(SCHEDULES, { deadlineMs: 60_000 })
    console.log(`${server.name} schedules`)
  }
  const [first, second] = [await start('the first old one', oldBundle), await start('the second old one', oldBundle)]
  await leads(first)
  for (const [i, node] of nodes.entries()) {
    await ask(`${first.url}/node`, { method: 'POST', body: new URLSearchParams({ name: `n${i}`, url: node.url }) })
  }
  const flow = tasksFlow()
  await flow.finishes(10)
  const third = await start('the first new one', newBundle)
  await flow.finishes(10)
  second.process.signal('SIGSTOP')
  await kill(first)
  await leads(third)
  second.process.signal('SIGCONT')
  await flow.finishes(20)
  await kill(third)
  await leads(second)
  await flow.finishes(20)
  const refused = await startService(oldBundle, { config })
  const { code } = await refused.exit
  if (code === 0) throw new Error('an old one has started on the tables of the new one')
  console.log(`one more old one ends with ${code}`)
  const fourth = await start('the second new one', newBundle)
  await kill(second)
  await leads(fourth)
  await flow.finishes(20)
  await check(fourth, await flow.end())
}

/** Submits through any server that runs, one task after the other. */
function tasksFlow() {
  const ids = []
  const over = new AbortController()
  const submit = async () => {
    for (let n = 0; !over.signal.aborted; n += 1) {
      const [server] = [...running].sort(() => Math.random() - 0.5)
      const body = new FormData()
      body.append('file', new Blob([`MZ ${n}`]), 's.exe')
      const made = server && (await ask(`${server.url}/task`, { method: 'POST', body }).catch(() => undefined))
      if (made !== undefined) ids.push(made.task_id)
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }
  const submitting = submit()
  const processed = async () => {
    for (const { url } of running) {
      const status = await ask(`${url}/status`).catch(() => undefined)
      if (status !== undefined) return status.tasks.processed
    }
    return 0
  }
  return {
    /** Waits until so many more are finished. */
    async finishes(more) {
      const wanted = (await processed()) + more
      await waitFor(async () => (await processed()) >= wanted, {
        ...SOON,
        describe: `${more} more tasks to be finished`,
      })
    },
    async end() {
      over.abort()
      await submitting
      await waitFor(async () => (await processed()) >= ids.length, { ...SOON, describe: 'all to be finished' })
      return ids
    },
  }
}

async function check({ url }, ids) {
  for (const id of ids) {
    const { status } = await fetch(`${url}/report/${id}`)
    if (status !== 200) throw new Error(`task ${id} has no report: ${status}`)
  }
  // An answer that was cut by a kill may have been of a task that was made.
  const { tasks } = await ask(`${url}/task`)
  const states = Object.values(tasks).map(({ status }) => status)
  const rest = states.filter(status => status !== 'finished')
  const counted = (await ask(`${url}/api/status`)).tasks.all.finished
  const analyses = nodes.reduce((sum, { submissions }) => sum + submissions.length, 0)
  console.log(
    `${ids.length} tasks accepted, ${states.length} made, ${rest.length} not finished, ${counted} counted, ${analyses} analyses`,
  )
  if (rest.length > 0 || counted !== states.length) process.exitCode = 1
}

async function ask(url, init) {
  const response = await fetch(url, { ...init, headers: { connection: 'close' }, signal: AbortSignal.timeout(15_000) })
  if (response.status !== 200) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  return response.json()
}
