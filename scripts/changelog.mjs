// npm run changelog [-- BASE]: names the commits since BASE (default: main) that change what users see and tell nobody.
// A `feat` or `fix` of product code has a line in CHANGELOG.md in the same commit, or says in its body why it needs none:
// `No changelog: REASON`.
import { spawnSync } from 'node:child_process'

const SEEN_BY_USERS = /^(feat|fix|perf)(\([^)]*\))?:|^\w+(\([^)]*\))?!:/
const PRODUCT = /^(services\/[^/]+|packages\/(?!testing\/|demo\/)[^/]+)\/src\/|^configs\/|^deploy\//
const EXCUSE = /^No changelog: \S/m

const base = process.argv[2] ?? 'main'
const untold = git('log', '--no-merges', '--format=%h %s', `${base}..HEAD`)
  .split('\n')
  .filter(line => SEEN_BY_USERS.test(line.slice(line.indexOf(' ') + 1)) && !isTold(line.split(' ')[0]))
for (const commit of untold) console.log(`no line in CHANGELOG.md: ${commit}`)
console.log(`${untold.length} commits since ${base} change what users see without telling them`)
process.exitCode = untold.length === 0 ? 0 : 1

function isTold(commit) {
  const paths = git('show', '--format=', '--name-only', commit).split('\n')
  if (paths.includes('CHANGELOG.md') || !paths.some(path => PRODUCT.test(path))) return true
  return EXCUSE.test(git('show', '--no-patch', '--format=%b', commit))
}

function git(...args) {
  const { status, stdout, stderr } = spawnSync('git', args, { encoding: 'utf8' })
  if (status === 0) return stdout
  console.error(`git ${args[0]}: ${stderr.trim()}`)
  process.exit(2)
}
