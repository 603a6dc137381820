// warm-way.js WAY URL ROUNDS: processor seconds of each round of one way, in a process that does nothing else.
import { tell } from '../usage.js'
import { loadWay } from '../ways/ways.js'

const [, , way = '', url = '', rounds = ''] = process.argv
const run = await loadWay(way)
const seconds: number[] = []
for (let round = 0; round < Number(rounds); round++) {
  const before = process.cpuUsage()
  await run(url)
  const { user, system } = process.cpuUsage(before)
  seconds.push((user + system) / 1e6)
}
tell(seconds)
process.exit()
