// The demo from its arguments to its exit code.
import { type DemoArguments, HELP, readArguments, UsageError } from './arguments.js'
import { type EmittedSample, emit } from './emit.js'
import { describeDumps, refuseUploads, resubmitDumped } from './fail.js'
import { killAll } from './kill.js'
import { openPage, untilEnter } from './page.js'
import { present } from './present.js'
import { type End, Progress } from './progress.js'
import { type DemoSample, madeUpSamples, readSamples } from './samples.js'
import { openScene, type Scene } from './scene.js'
import { Screen } from './screen.js'
import { EndRequestedError, endOnSignals } from './signals.js'
import { shown } from './text.js'
import { verdict } from './verdict.js'

const END_MS = 60_000

/** Not every sample had ended when the time of `--deadline` was over. */
class DemoDeadlineError extends Error {
  override readonly name = 'DemoDeadlineError'
  readonly code = 'DEMO_DEADLINE'
}

/**
 * Runs the demo; `prepare` is called once the arguments are known to be right, and makes whatever is missing.
 * Resolves with the exit code: 0 every sample has arrived, 1 not all have, 2 wrong arguments, 128 + n ended by signal n.
 */
export async function runDemo(argv: readonly string[], prepare: () => Promise<void> = async () => {}): Promise<number> {
  try {
    const args = readArguments(argv)
    if (args.help) {
      process.stdout.write(HELP)
      return 0
    }
    const samples = await chooseSamples(args)
    await prepare()
    return (await play(args, samples)) ? 0 : 1
  } catch (error: unknown) {
    const reason = error instanceof Error ? error.message : String(error)
    process.stderr.write(`demo: ${reason}\n`)
    if (error instanceof EndRequestedError) return error.exitCode
    return error instanceof UsageError ? 2 : 1
  }
}

/** One failure tells as much as several. */
async function chooseSamples({ files, fail }: DemoArguments): Promise<DemoSample[]> {
  if (files.length > 0) return readSamples(files)
  return fail ? madeUpSamples().slice(0, 1) : madeUpSamples()
}

async function play(args: DemoArguments, samples: readonly DemoSample[]): Promise<boolean> {
  const end = new AbortController()
  const dispose = endOnSignals(end)
  const seconds = args.deadlineMs / 1000
  const timer = setTimeout(
    () => end.abort(new DemoDeadlineError(`not every sample has arrived within ${seconds} s, see --deadline`)),
    args.deadlineMs,
  )
  end.signal.addEventListener('abort', exitIfStuck, { once: true })
  try {
    const screen = new Screen(process.stdout)
    await using scene = await openScene(args, { screen, print: screen.print, signal: end.signal })
    await using _page = args.page ? await openPage(scene) : undefined
    const isDone = args.fail ? await playFailure(scene, args, samples) : await playAll(scene, args, samples)
    clearTimeout(timer)
    if (args.page) await untilEnter(scene)
    return isDone
  } finally {
    clearTimeout(timer)
    dispose()
  }
}

/** The end in order takes seconds. What is left then is ended by the process guards. */
function exitIfStuck(): void {
  setTimeout(() => {
    process.stderr.write(`demo: could not end in order within ${END_MS / 1000} s\n`)
    process.exit(1)
  }, END_MS).unref()
}

async function playAll(scene: Scene, args: DemoArguments, samples: readonly DemoSample[]): Promise<boolean> {
  scene.print('')
  const emitted = await emitAll(scene, samples, args)
  const progress = new Progress(scene, emitted, 'queued')
  const kills = args.kill && scene.node !== undefined ? killAll(scene, progress, scene.node) : 0
  const [ends, killed] = await Promise.all([progress.follow(), kills])
  const kept = killed > 0 ? `, ${lost(ends)} lost, with ${killed} kills on the way` : ''
  return conclude(scene, args, emitted, ends, kept)
}

/** Each sample fails four times and is dumped; then the cause goes away and the dumps go back to work. */
async function playFailure(scene: Scene, args: DemoArguments, samples: readonly DemoSample[]): Promise<boolean> {
  const { print, options } = scene
  const endRefusal = refuseUploads(scene)
  print('Cuckoo now rejects every sample (status 413), as if a proxy in front of it had too low a limit.\n')
  const emitted = await emitAll(scene, samples, args)
  const progress = new Progress(scene, emitted, 'queued')
  await progress.follow()
  showAll(scene, args, emitted)
  print('\nThe dump (samples and keys are hidden here):')
  for (const line of await describeDumps(options.dumpDir)) print(line)
  endRefusal()
  print('\nThe limit is raised, and the dumps are resubmitted:')
  await resubmitDumped(scene)
  print('')
  progress.again('resubmitted')
  return conclude(scene, args, emitted, await progress.follow(), '')
}

async function emitAll(
  scene: Scene,
  samples: readonly DemoSample[],
  { crits }: DemoArguments,
): Promise<EmittedSample[]> {
  const emitted: EmittedSample[] = []
  for (const sample of samples) emitted.push(await emit(scene, sample, crits))
  return emitted
}

function showAll({ crits, print }: Scene, { verbose }: DemoArguments, samples: readonly EmittedSample[]): void {
  for (const sample of samples) {
    print('')
    if (crits === undefined) print(`${shown(sample.name)}: see /samples/details/${sample.md5}/ in CRITs`)
    else for (const line of (verbose ? present : verdict)(crits, sample)) print(line)
  }
}

const arrived = (ends: readonly End[]) => ends.filter(end => end === 'arrived').length
const lost = (ends: readonly End[]) => ends.length - arrived(ends)

/** Shows what became of the samples; true when all have arrived. */
function conclude(
  scene: Scene,
  args: DemoArguments,
  samples: readonly EmittedSample[],
  ends: readonly End[],
  more: string,
): boolean {
  showAll(scene, args, samples)
  scene.print(`\n${arrived(ends)} of ${samples.length} arrived${more}`)
  return lost(ends) === 0
}
