// Loaded into a service with `--import`: writes a CPU profile of it to PROFILE_DIR when it ends. NODE_OPTIONS takes no --cpu-prof.
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { basename, join } from 'node:path'
import { isMainThread } from 'node:worker_threads'

const directory = process.env.PROFILE_DIR
if (isMainThread && directory) {
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.start')
  process.on('exit', () => {
    session.post('Profiler.stop', (error, { profile }) => {
      const name = `${basename(process.argv[1] ?? 'node')}-${process.pid}.cpuprofile`
      if (error === null) writeFileSync(join(directory, name), JSON.stringify(profile))
    })
  })
}
