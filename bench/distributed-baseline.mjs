// The least that a server of submissions can do: take the body to a file, and one durable row into SQLite. Prints its port.
import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fastify } from 'fastify'
import Sqlite from 'libsql'

const folder = process.argv[2]
const db = new Sqlite(join(folder, 'baseline.db'))
for (const pragma of ['journal_mode = wal', 'synchronous = full']) db.exec(`pragma ${pragma}`)
db.exec('create table task (id integer primary key autoincrement, path text, added_on integer)')
const insert = db.prepare('insert into task (path, added_on) values (?, ?)')

const app = fastify()
app.addContentTypeParser('*', (_request, _payload, done) => done(null))
app.post('/task', async request => {
  const path = join(folder, randomUUID())
  await pipeline(request.raw, createWriteStream(path, { flush: true }))
  return { task_id: Number(insert.run(path, Date.now()).lastInsertRowid) }
})
await app.listen({ host: '127.0.0.1', port: 0 })
console.log(app.server.address().port)
