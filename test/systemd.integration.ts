import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { PIPELINE, read, schemaOf } from './project.js'

const UNIT = 'cuckoo_distributed@.service'
const unit = read(`deploy/systemd/${UNIT}`)

for (const service of [...PIPELINE, 'distributed_cuckoo']) {
  test(`systemd finds nothing wrong with the unit of ${service}`, async t => {
    // What it starts is looked for, so it is a program that is there.
    const text = unit.replace('/usr/bin/node', process.execPath)
    const file = await fileWith(t, UNIT.replace('@', `@${service}`), text)
    const output = succeeds(t, 'systemd-analyze', ['verify', '--man=no', '--recursive-errors=no', file])
    assert.equal(output, '')
  })
}

test('with the drop-in for binaries the unit runs the program of the same name, with the same configuration', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'systemd-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, UNIT.replace('@', '@overseer'))
  await writeFile(file, unit)
  await mkdir(`${file}.d`)
  const dropIn = read('deploy/systemd/binaries.conf')
  const [, program, args] = /^ExecStart=\n^ExecStart=(\S+)( .*)$/m.exec(dropIn) ?? []
  assert.equal(program, '/opt/cuckoo_distributed/%i')
  assert.ok(unit.includes(`ExecStart=/usr/bin/node ${program}.mjs${args}\n`))
  await writeFile(join(`${file}.d`, 'binaries.conf'), dropIn.replace(`=${program}`, `=${process.execPath}`))
  assert.equal(succeeds(t, 'systemd-analyze', ['verify', '--man=no', '--recursive-errors=no', file]), '')
})

test('systemd rates the exposure of the unit below 1.5 of 10', async t => {
  const file = await fileWith(t, UNIT, unit)
  succeeds(t, 'systemd-analyze', ['security', '--offline=yes', '--threshold=15', '--no-pager', file])
})

test('systemd waits for 10 s more than any service works on after SIGTERM by default', async () => {
  const [, seconds] = /^TimeoutStopSec=(\d+)s$/m.exec(unit) ?? []
  for (const service of [...PIPELINE, 'distributed_cuckoo']) {
    const { DrainTime } = (await schemaOf(service)).properties
    assert.ok(DrainTime !== undefined && 'default' in DrainTime)
    assert.ok(Number(seconds) >= Number(DrainTime.default) + 10, service)
  }
})

test('logrotate takes its file, and tells the running instances to open their files anew', async t => {
  const text = read('deploy/systemd/logrotate.conf')
  const { username } = userInfo()
  const rotated = text.replace('su cuckoo_distributed cuckoo_distributed', `su ${username} ${username}`)
  assert.notEqual(rotated, text)
  const file = await fileWith(t, 'logrotate.conf', rotated)
  const output = succeeds(t, '/usr/sbin/logrotate', ['--debug', '--state', `${file}.state`, file])
  assert.doesNotMatch(output, /error/)
  assert.match(text, /systemctl reload 'cuckoo_distributed@\*\.service'/)
  assert.match(unit, /^ExecReload=\/bin\/kill -HUP \$MAINPID$/m)
})

/** Both outputs of a program that must end with 0; the test is skipped, and says so, where the program is not there. */
function succeeds(t: TestContext, program: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') {
    t.skip(`${program} is not installed`)
    return ''
  }
  assert.equal(status, 0, stdout + stderr)
  return stdout + stderr
}

async function fileWith(t: TestContext, name: string, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'systemd-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, name)
  await writeFile(file, text)
  return file
}
