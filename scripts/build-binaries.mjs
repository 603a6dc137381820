// Makes one program of every service that needs no Node: Node itself with the service's single file in it. Node 26 makes
// them, out of itself: `npm run build:binaries` fetches the one that is pinned.
import { spawnSync } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildService } from './build-service.mjs'
import { generate } from './generate.mjs'

const script = fileURLToPath(import.meta.url)
const root = join(dirname(script), '..')

/** Bundles services, all by default, into `folder`, away from those that may be running, and returns what is known of each. */
export async function buildFiles(folder, services = []) {
  await generate()
  const built = []
  const all = (await readdir(join(root, 'services'))).sort()
  for (const name of services.length === 0 ? all : services) {
    built.push({ name, ...(await buildService(name, { outfile: join(folder, `${name}.mjs`) })) })
  }
  return built
}

/** Makes a program in `folder` of each single file in `files`, and puts the libraries beside these there, too. */
export async function makePrograms(files, folder) {
  await mkdir(folder, { recursive: true })
  const scratch = await mkdtemp(join(tmpdir(), 'sea-'))
  try {
    for (const file of (await readdir(files)).sort()) {
      const name = /^(.+)\.mjs$/.exec(file)?.[1]
      if (name === undefined) await copyFile(join(files, file), join(folder, file))
      else await makeProgram({ main: join(files, file), output: join(folder, name), scratch })
    }
  } finally {
    await rm(scratch, { recursive: true })
  }
}

async function makeProgram({ main, output, scratch }) {
  // The path of the file is part of the program, and must be the same wherever it is built.
  await copyFile(main, join(scratch, 'main.mjs'))
  const config = { main: 'main.mjs', mainFormat: 'module', output, disableExperimentalSEAWarning: true }
  await writeFile(join(scratch, 'sea.json'), JSON.stringify(config))
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--build-sea', 'sea.json'], {
    cwd: scratch,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`Node ${process.version} cannot make ${output}:\n${stdout}${stderr}`)
}

/** Ends this process, with a sentence, unless its Node can make programs. */
export function needNode26() {
  const { node } = process.versions
  if (Number.parseInt(node, 10) >= 26) return
  console.error(`Node 26 or newer makes binaries, this is ${node}: use npm run, which fetches one`)
  process.exit(2)
}

if (process.argv[1] === script) {
  needNode26()
  const folder = resolve(process.argv[2] ?? join(root, 'dist', 'binaries'))
  const files = await mkdtemp(join(tmpdir(), 'files-'))
  try {
    const built = await buildFiles(files)
    await makePrograms(files, folder)
    for (const { name } of built) console.log(join(folder, name))
  } finally {
    await rm(files, { recursive: true })
  }
}
