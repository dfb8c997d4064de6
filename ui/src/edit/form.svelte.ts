// A profile being edited: the text as typed, what the engine's rules say of it, the
// test's steps, and whether there is anything to save.

import { app, focus } from '../app.svelte';
import { explained } from '../door';
import type { Checked, Draft, Field, Finding, OnBroken, ProfileId, TestStep } from '../types';
import { edit } from '../words';

const CHECK_AFTER = 250;

/** A field's id in the page. */
export function idOf(field: Field): string {
  switch (field.kind) {
    case 'argument':
    case 'gateway':
    case 'label':
      return `${field.kind}-${field.index}`;
    case 'pair':
      return `pair-${field.index}-name`;
    case 'forwardAuth':
      return `forward-${field.index}`;
    case 'option':
      return `option-${field.key}`;
    case 'token':
      return 'token-place';
    case 'clientKeyPassphrase':
      return 'client-key-passphrase-place';
    case 'toolAllowed':
      return `tool-allowed-${field.index}`;
    case 'toolDenied':
      return `tool-denied-${field.index}`;
    case 'gatewayToken':
      return `gateway-token-${field.index}-place`;
    default:
      return field.kind;
  }
}

export class Form {
  draft: Draft = $state() as Draft;
  checked: Checked = $state.raw({ findings: [], registeredName: null, words: null, program: null });
  steps: TestStep[] = $state.raw([]);
  testing: AbortController | null = $state.raw(null);
  busy = $state(false);
  /** Fields that the user has been in: only those are told wrong before Save. */
  private touched: Record<string, true> = $state({});
  private attempted = $state(false);
  private base = $state('');
  private check = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  readonly dirty = $derived.by(() => JSON.stringify(this.draft) !== this.base);

  constructor(draft: Draft) {
    this.reset(draft);
  }

  static async open(id: ProfileId | null): Promise<Form> {
    return new Form(id === null ? await app.door.newDraft() : await app.door.read(id));
  }

  private reset(draft: Draft): void {
    this.draft = draft;
    this.base = JSON.stringify(draft);
    this.touched = {};
    this.attempted = false;
  }

  /** Called with each change of the draft. */
  changed(): () => void {
    const draft = $state.snapshot(this.draft) as Draft;
    const mine = ++this.check;
    this.timer = setTimeout(() => {
      app.door.check(draft).then(
        (checked) => mine === this.check && (this.checked = checked),
        // The same rules judge again at Save, and tell there.
        () => {},
      );
    }, CHECK_AFTER);
    return () => clearTimeout(this.timer);
  }

  touch(field: Field): void {
    this.touched[idOf(field)] = true;
  }

  finding(field: Field): Finding | null {
    const id = idOf(field);
    if (!this.attempted && !this.touched[id]) return null;
    const here = this.checked.findings.filter((finding) => idOf(finding.field) === id);
    return here.find((finding) => finding.severity === 'error') ?? here[0] ?? null;
  }

  /** Whether it was saved; if not, the focus is on the first field to correct. */
  async save(onBroken: OnBroken): Promise<ProfileId | null> {
    this.busy = true;
    try {
      const saved = await app.door.save($state.snapshot(this.draft) as Draft, onBroken);
      if (saved.kind === 'saved') {
        this.reset(await app.door.read(saved.id));
        return saved.id;
      }
      this.check++;
      this.checked = { ...this.checked, findings: saved.findings };
      this.attempted = true;
      const wrong = saved.findings.filter((finding) => finding.severity === 'error');
      app.say.trouble(edit.wrong(wrong.length));
      await this.toFirst(wrong);
    } catch (thrown) {
      app.say.failed(explained(thrown));
    } finally {
      this.busy = false;
    }
    return null;
  }

  private async toFirst(wrong: Finding[]): Promise<void> {
    const ids = wrong.map((finding) => idOf(finding.field));
    const fields = [...document.querySelectorAll<HTMLElement>('main [id]')];
    const first = fields.find((element) => ids.includes(element.id));
    const folded = first?.closest('details');
    if (folded) folded.open = true;
    if (first) await focus(`#${first.id}`);
  }

  async test(): Promise<void> {
    const mine = new AbortController();
    this.testing = mine;
    this.steps = [];
    try {
      await app.door.test($state.snapshot(this.draft) as Draft, (steps) => this.merge(steps), mine.signal);
      if (mine.signal.aborted) {
        this.steps = [];
        app.say.quietly(edit.testStopped);
      } else await this.tested();
    } catch (thrown) {
      app.say.failed(explained(thrown));
    } finally {
      this.testing = null;
    }
  }

  private merge(steps: TestStep[]): void {
    const byId = new Map(this.steps.map((step) => [step.id, step]));
    for (const step of steps) byId.set(step.id, step);
    this.steps = [...byId.values()];
  }

  get verdict(): string {
    const having = (kind: string) => this.steps.filter((step) => step.state.kind === kind).length;
    if (having('failed') > 0) return edit.testFailed(having('failed'));
    if (having('warned') > 0) return edit.testWarned(having('warned'));
    return edit.testPassed(having('passed'));
  }

  private async tested(): Promise<void> {
    app.say.quietly(this.verdict);
    const failed = this.steps.find((step) => step.state.kind === 'failed');
    if (failed) await focus(`#step-${failed.id}`);
  }
}
