// node bench/distributed-seed.mjs DATABASE FINISHED PENDING: fills the tables of a database that distributed_cuckoo has made with
// tasks that are finished (one in a hundred of them failed), and with tasks that wait. A process of its own, as SQLite's driver keeps
// its lock on the file until the process ends.
import Sqlite from 'libsql'
import pg from 'pg'

const [url = '', finished = '1000', pending = '100'] = process.argv.slice(2)
const NOW = Date.now()
/** A minute, in which a million samples a day are 700. */
const MINUTE = 60_000

/** The tasks numbered from `from` to `to`; `n` is the number, `digest(n)` 32 hexadecimal digits. */
function insert({ from, to, state, series, digest, cast }) {
  const isOver = state === 'finished'
  const columns = {
    state: isOver ? "case when n % 100 = 0 then 'failed' else 'finished' end" : `'${state}'`,
    finished: isOver ? '1' : '0',
    filename: `'sample-' || n || '.exe'`,
    sample_path: isOver ? 'null' : `'ab/' || n || '.bin'`,
    sample_size: '10000',
    md5: digest,
    sha256: `${digest} || ${digest}`,
    platform: `'windows'`,
    tags: 'null',
    priority: 'n % 3 + 1',
    owner: `case when n % 1000 = 7 then 'rare' when n % 2 = 0 then 'often' end`,
    requirement: `'["windows",null,"tag' || (n % 5) || '"]'`,
    attempt: isOver ? '1' : '0',
    requeues: '0',
    not_before: '0',
    added_on: `${cast(NOW)} - (${to} - n) * ${MINUTE} / 700`,
    completed_on: isOver ? `${cast(NOW)} - (${to} - n) * ${MINUTE} / 700` : 'null',
  }
  return `insert into task (${Object.keys(columns)}) select ${Object.values(columns)} from ${series(from, to)}`
}

const total = Number(finished) + Number(pending)
const parts = [
  { from: 1, to: Number(finished), state: 'finished' },
  { from: Number(finished) + 1, to: total, state: 'pending' },
]

if (/^postgres(ql)?:/.test(url)) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const dialect = {
    series: (from, to) => `generate_series(${from}::bigint, ${to}::bigint) n`,
    digest: 'md5(n::text)',
    cast: value => `${value}::bigint`,
  }
  for (const part of parts) await client.query(insert({ ...part, ...dialect }))
  await client.query('vacuum analyze')
  await client.end()
} else {
  const db = new Sqlite(url.replace(/^sqlite:\/\/\//, ''))
  const dialect = {
    series: () => `s`,
    digest: `printf('%032x', n * 7919)`,
    cast: String,
  }
  db.exec('begin')
  for (const part of parts) {
    if (part.to < part.from) continue
    db.exec(
      `with recursive s(n) as (select ${part.from} union all select n + 1 from s where n < ${part.to}) ${''}` +
        insert({ ...part, ...dialect }),
    )
  }
  db.exec('commit')
  db.exec('analyze')
}
