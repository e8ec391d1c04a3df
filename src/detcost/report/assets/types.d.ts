/** The data of the page (see report/views.py, machines.py, history.py), and its functions. */

type Verdict = "free" | "costs" | "faster" | "ambiguous";
/** A ratio with its interval, and the text that states it. */
type Figure = { text: string; ratio: number; low: number | null; high: number | null };
type SubjectCost = Figure & { verdict: Verdict; explained: string };
type Cost = Omit<Figure, "ratio"> & {
  ratio: number | null;
  verdict: Verdict;
  why: string | null;
  block_ratios: number[];
};
/** A count of one scope, with the decision on it, as detcost.report.checks.CheckView. */
type Check = {
  lowest: number | null;
  why: string | null;
  note: string | null;
  anyway: boolean;
  count: string;
  rate: string;
  seen: string;
  details: string;
  divergent: number;
  trials: number;
  low: number | null;
  high: number | null;
  distinct: number;
  first_call: number | null;
  partition: string;
  remark: string;
};
type Severity = {
  max_ulp: number | null;
  fraction_differing: number | null;
  mean_relative: number | null;
  outputs: string[];
};
/** Two processes followed over many steps, as detcost.report.cells.Curve. */
type Curve = { scope: string; text: string; steps: number; at: number[]; relative: number[] };
type Cell = {
  status: string;
  reason: string | null;
  stands_for: string | null;
  cost: Cost | null;
  first_call_seconds: number | null;
  peak_memory_bytes: number | null;
  device_memory_bytes: number | null;
  severity: Severity | null;
  accuracy: number | null;
  digest: string | null;
  same_bits_as_default: string | null;
  carries_state: boolean | null;
  followed: Curve[];
  /** That its draws repeat, and how this was seen. */
  draws: string | null;
  overridden: string | null;
  measured_at: string;
  run: string;
  profile: string | null;
  seed: number;
  same_setting: Figure | null;
  commit: string | null;
};
type Snippets = { python: string; environment: string; keras: string; line: string | null };
type Subject = {
  scenarios: number[];
  settings: number[];
  costs: (SubjectCost | null)[];
  worst: (SubjectCost | null)[];
  ties: string[];
  rates: number[];
  source: number;
};
/** A view with its arrays unpacked: `cells[scenario][setting]`. */
type View = {
  tensorflow: string;
  device: string;
  size: string;
  dtype: string;
  scenarios: string[];
  families: string[];
  settings: string[];
  levers: number[];
  cells: (Cell | null)[][];
  /** The place of each cell's set, which has the place of each scope's check. */
  checked: (number | null)[][];
  sets: (number | null)[][];
  /** From the least to the most striking. */
  checks: Check[];
  rates: (number | null)[][];
  /** By scenario and setting: why there are no figures, in short and in full. */
  unusable: Record<number, Record<number, [string, string]>>;
  /** By scenario: the scopes measured, and by setting the scopes that were not. */
  missing: Record<number, [string[], Record<number, string[]>]>;
  command: string[];
  sources: { source: Source; alarm: string | null; remarks: string[] }[];
  snippets: Record<string, Snippets>;
  subjects: Record<string, Subject>;
};
type Protocol = { profile: string; [name: string]: unknown };
type Run = {
  measured_at: string;
  protocol: Protocol | null;
  commit: string | null;
  cold: boolean;
  failed_controls: string[];
};
type Change = {
  scenario: string;
  setting: string;
  device: string;
  size: string;
  dtype: string;
  what: string;
  before: string;
  after: string;
  measured_before: string;
  measured_after: string;
};
type Machine = {
  description: Record<string, string>;
  versions: Record<string, string>;
  runs: Record<string, Run>;
  views: View[];
  changes: unknown[];
};
type Card = {
  key: string;
  name: string;
  cpu: string;
  tensorflow: string[];
  devices: string[];
  last_measured: string;
  failed_controls: string[];
};
type Observation = {
  status: string;
  text: string;
  verdict: Verdict;
  ratio: number | null;
  low: number | null;
  high: number | null;
  digest: string | null;
  diverged: string[];
};
type Observations = {
  measured_at: string;
  tensorflow: string;
  commit: string | null;
  seed: number;
  device: string;
  size: string;
  dtype: string;
  settings: Map<string, Observation>;
  races: string[];
};
type Plot = {
  file: string;
  kind: string;
  device: string;
  scenario: string | null;
  title: string;
  alt: string;
};
/** A claim and its verdict, as detcost.claims.verdicts.Verdict. */
type Claimed = {
  claim: string;
  says: string;
  sources: string[];
  word: string;
  seen_for: string[];
  seen_against: string[];
  not_seen: string[];
};
/** A remedy that locate tried, as detcost.tables.located.RemedyRow. */
type Remedy = {
  kind: string;
  name: string;
  alone: string;
  whole: string;
  cost: string;
  seen: string;
  cures: boolean;
  code: string;
};
/** What locate found in a cell, as detcost.report.operations.LocatedView. */
type Located = {
  machine: string;
  tensorflow: string;
  scenario: string;
  setting: string;
  device: string;
  size: string;
  dtype: string;
  scope: string;
  located_at: string;
  account: {
    headline: string;
    facts: [string, string[]][];
    culprits: {
      headline: string;
      facts: [string, string[]][];
      path: string[];
      remedies: Remedy[];
      remarks: string[];
    }[];
    next: string[];
  };
};
type Index = {
  fields: Record<string, string[]>;
  scopes: string[];
  usual_scopes: string[];
  usual: Record<"device" | "size" | "dtype", string>;
  band: number;
  bounds: Record<string, [number, string][]>;
  elsewhere: Record<string, string>;
  words: Record<string, string>;
  unchecked: Record<string, unknown[]>;
  machines: Card[];
  scenarios: Record<string, [string, string]>;
  plots: Plot[];
  located: Located[];
  fleet: { device: string; header: string[]; rows: string[][]; remarks: string[] }[];
  folklore: { machine: string; source: string; verdicts: Claimed[] }[];
  problems: string[];
  site: string | null;
};

type Question = {
  machineData: Machine;
  view: View;
  /** A scenario, a family, or "all". */
  subject: string;
  survive: string[];
  maxRate: number | null;
};
type Finding = {
  scenario: string;
  scope: string;
  check: Check;
  /** The place in `checks`: the greater, the more striking. */
  rank: number;
  survives: boolean | null;
  applies: boolean;
  disqualifies: boolean;
  divergent: number;
  trials: number;
  high: number | null;
  why: string | null;
  anyway: boolean;
  note: string | null;
};
type Candidate = {
  setting: string;
  /** The place in the subject's lists. */
  place: number;
  qualifies: boolean;
  tied: boolean;
  cost: SubjectCost | null;
  worst: SubjectCost | null;
  findings: Finding[];
  reasons: string[];
  alsoSurvives: string[];
};
type Source = { machine: string; failed_controls: string[]; cold: boolean };
type Choice = {
  scenarios: string[];
  device: string;
  survive: string[];
  maxRate: number | null;
  best: string | null;
  candidates: Candidate[];
  commands: string[];
  elsewhere: Record<string, string[]>;
  locate: string[];
  snippets: Snippets | null;
  source: Source;
  alarm: string | null;
  remarks: string[];
};

/** The state of the page: a question, and the arrangement of its table. */
type State = Question & { card: Card; sort: string; open: Set<string> };
/** The parts of an address, by name. */
type Wanted = Map<string, string>;

type Child = Node | string | null | undefined | false;
type Properties = Record<string, string | number | boolean | null | undefined | EventListener>;
type Scale = (value: number) => number;

interface Detcost {
  received: Map<string, unknown>;
  receive(key: string, data: unknown): void;
  readonly index: Index;
  load(key: string): Promise<unknown>;
  own<T>(record: Record<string, T>, key: string): T | undefined;
  machine(data: unknown): Machine;
  changes(machine: Machine): Change[];
  unchecked(scope: string): Check;
  checksOf(view: View, row: number, column: number): (Check | null)[];
  observations(data: unknown): Map<number, Observations[]>;

  fixed(value: number, places: number): string;
  general(value: number, digits: number): string;
  percent(rate: number | null): string;
  say(name: string, values?: number | Record<string, string | number>): string;
  shell(words: string[]): string;
  spaced(name: string): string;
  plural(count: number, noun: string): string;
  listed(names: string[], most?: number): string;
  day(time: string): string;
  seconds(value: number | null): string;
  bytes(value: number | null): string;

  choose(question: Question): Choice;
  candidates(question: Question): Candidate[];
  headline(choice: Choice): string;
  commands(question: Question, subject: Subject): string[];
  elsewhere(question: Question, subject: Subject): Record<string, string[]>;
  toLocate(question: Question, subject: Subject): string[];
  reproduce(state: State): string;
  dominated(question: Question, candidates: Candidate[]): Map<string, string>;

  el(tag: string, properties?: Properties, ...children: Child[]): HTMLElement;
  svg(tag: string, properties?: Properties, ...children: Node[]): SVGElement;
  need<T extends HTMLElement>(id: string): T;
  breakable(name: string): DocumentFragment;
  whenNear(id: string): (action: () => void) => void;
  copyButton(what: string, text: string): HTMLElement;
  copyable(what: string, title: string, text: string, heading?: string): HTMLElement;
  definitions(rows: [string, Child][]): HTMLElement;
  folded(summary: string, fill: () => Child, open?: boolean): HTMLElement;
  sliced<T>(items: T[], into: HTMLElement, draw: (item: T) => Node): Node;
  scroller(label: string, table: HTMLElement): HTMLElement;
  tableOf(caption: string, heads: string[], rows: Child[][]): HTMLElement;

  wanted(hash: string): Wanted;
  address(state: State): string;
  resolve(wanted: Wanted, data: Machine, card: Card): { state: State; notes: string[] };
  card(wanted: Wanted): { card: Card; notes: string[] };
  readRate(text: string): number | null | undefined;
  fillForm(state: State): void;
  readForm(): Wanted | null;

  verdictMark(verdict: Verdict): HTMLElement;
  scale(values: (number | null)[], from: number, to: number): Scale;
  intervalBar(cost: SubjectCost, scale: Scale): SVGElement;
  blockChart(cost: Cost, isDefault: boolean): Node;
  historyChart(points: { label: string; day: string; cost: Observation }[], what: string): Node;
  followed(setting: string, own: Curve[], ofDefault: Curve[]): HTMLElement | null;
  costCell(cost: SubjectCost | null, scale: Scale, isDefault: boolean): HTMLElement;

  showAnswer(state: State, choice: Choice): void;
  nearMisses(state: State, choice: Choice): HTMLElement;
  eachScenario(state: State): HTMLElement | null;
  showLocated(state: State): void;
  showTable(state: State, choice: Choice): void;
  columns(state: State, choice: Choice): Column[];
  details(state: State, candidate: Candidate): HTMLElement;
  showPlots(state: State): void;
  showClaims(state: State): void;
  showFleet(): void;
  showRunsAndMachines(state: State): void;
  sideBySide(seen: Map<number, Observations[]>): Child[];
  agreement(seen: Map<number, Observations[]>): Child[];
  history(state: State, seen: Map<number, Observations[]>): Child[];
  showMachineCard(state: State): void;
  showBanner(choice: Choice): void;
  downloads(state: State, choice: Choice): void;
  go(changes: Record<string, string>, replace?: boolean): void;
}

type Column = {
  key: string;
  title: string;
  note?: string;
  /** The value to sort by; null comes last. */
  value(candidate: Candidate): number | string | null;
  cell(candidate: Candidate): HTMLElement;
};
