// node bench/distributed-fill.mjs DATABASE COUNT: fills the table of tasks with copies of its first one. A process of its own,
// as the driver keeps its lock on the file until the process ends.
import Sqlite from 'libsql'

const [path, count] = process.argv.slice(2)
const db = new Sqlite(path)
const columns = db.prepare('pragma table_info(task)').all()
const copied = columns.map(({ name }) => name).filter(name => name !== 'id')
const insert = db.prepare(`insert into task (${copied}) select ${copied} from task where id = 1`)
db.exec('begin')
for (let i = 1; i < Number(count); i += 1) insert.run()
db.exec('commit')
