// The code blocks of a page of the documentation.

/** A code block of a page. */
export interface Block {
  /** The heading that it stands below. */
  readonly section: string
  /** The file that it is the content of, when it is no command. */
  readonly file: string | undefined
  readonly text: string
}

/** What a block of commands has printed, and how its last one ended. */
export interface Outcome {
  readonly code: number
  readonly output: string
}

/** A machine on which the documentation is followed. */
export interface Machine {
  /** What stands in the documentation, and what stands here in its place. Looked up with each block. */
  readonly names: Record<string, string>
  /** Writes the file of a block, or runs its commands to their end. */
  follow(block: Block): Promise<Outcome>
  /** How many lines with this message the services have logged. */
  logged(message: string): Promise<number>
}

/** What an administrator changes in files of the documentation, by name: three minutes of tries are not what is tested. */
export const CHANGES: Readonly<Record<string, object>> = { 'overseer.conf.json': { RetryDelays: [] } }

/** Blocks of commands, and blocks that the line before them says are a file of ours, in their order. */
export function blocksOf(markdown: string): Block[] {
  return markdown.split(/^## /m).flatMap(part => {
    const section = part.split('\n', 1)[0] ?? ''
    const blocks = part.matchAll(/(?:^`(\/etc\/cuckoo_distributed\/[^`]+)`[^\n]*:\n\n)?^```(sh|json)\n(.*?)^```/gms)
    return [...blocks].map(([, file, , text = '']) => ({ section, file, text }))
  })
}

/** Names of the documentation in `text` as the machine has them. */
export function named(text: string, names: Readonly<Record<string, string>>): string {
  return Object.entries(names).reduce((now, [from, to]) => now.replaceAll(from, to), text)
}

/** The content of the file `name` with what the administrator changes. */
export function changed(name: string, text: string): string {
  const change = CHANGES[name]
  return change === undefined ? text : JSON.stringify({ ...JSON.parse(text), ...change })
}
