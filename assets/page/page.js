// The page: which step is on show, the text as chips, the scrubber, and what is known of the run.

const run = JSON.parse(byId('run').textContent);

/** What chips and bars can be coloured by: the quantity of a step, where its scale ends, and how the ends are written. */
const QUANTITIES = {
  probability: { of: (step) => step.probability, most: () => 1, ends: () => ['0 %', '100 %'] },
  surprisal: { of: (step) => step.surprisal, most: roundNats, ends: (most) => ['0', `${most} nats`] },
  entropy: { of: (step) => step.entropy, most: roundNats, ends: (most) => ['0', `${most} nats`] },
  rank: { of: (step) => Math.log10(Math.max(1, step.rank)), most: (highest) => Math.max(1, Math.ceil(highest)), ends: (most) => ['1', count(10 ** most)] },
};

function roundNats(highest) {
  return Math.max(2, Math.ceil(highest / 2) * 2);
}

const shown = { line: 0, place: 0, colour: 'probability' };
const steps = () => run.lines[shown.line].nodes.map((node) => run.nodes[node]);

// ---- The text

function showText() {
  const quantity = QUANTITIES[shown.colour];
  const prompt = run.prompt.filter((token) => token.expectation).map((token) => token.expectation);
  const highest = [...steps(), ...prompt].reduce((most, step) => Math.max(most, quantity.of(step) ?? 0), 0);
  const most = quantity.most(highest);
  const part = (step) => (quantity.of(step) ?? 0) / most;
  byId('prompt').hidden = run.prompt.length === 0;
  byId('prompt').replaceChildren(...run.prompt.map((token) => {
    const chip = el('span', { class: 'chip plain', title: `prompt token, id ${token.token}`, dir: 'auto' }, ...inked(token.shown));
    if (token.expectation) tint(chip, part(token.expectation));
    return [chip, ...ending(token.shown)];
  }).flat());
  byId('chips').replaceChildren(...steps().map((step, place) => {
    const marks = `${step.by_hand ? ', chosen by hand' : ''}${step.guessed ? ', guessed ahead' : ''}`;
    const chip = el('button', {
      type: 'button', class: `chip${step.by_hand ? ' hand' : ''}${step.guessed ? ' guessed' : ''}`, tabindex: -1, dir: 'auto', 'data-place': place,
      'aria-label': `Step ${step.step}: ${step.shown}${marks}`, title: `step ${step.step} · ${probability(step.probability)} · rank ${known(step.below) ? `> ${count(step.below)}` : count(step.rank)}`,
    }, ...inked(step.shown));
    tint(chip, part(step));
    return [chip, ...ending(step.shown)];
  }).flat());
  showBars(part);
  const [low, strip, high] = byId('scale').children;
  [low.textContent, high.textContent] = quantity.ends(most);
  for (const [theme, from, to] of [['--dark', 0.2, 1], ['--light', 0, 0.92]]) {
    const colours = Array.from({ length: 10 }, (_, at) => viridis(from + ((to - from) * at) / 9));
    strip.style.setProperty(theme, `linear-gradient(to right, ${colours.join(', ')})`);
  }
}

/** A text's line ends where its token's does. */
function ending(text) {
  return text.endsWith('↵') ? [el('br')] : [];
}

function showBars(part) {
  const name = 'http://www.w3.org/2000/svg';
  const plot = document.createElementNS(name, 'svg');
  const all = steps();
  plot.setAttribute('viewBox', `0 0 ${all.length} 1`);
  plot.setAttribute('preserveAspectRatio', 'none');
  plot.classList.add('plot');
  plot.append(...all.map((step, place) => {
    const height = Math.max(0.04, Math.min(1, part(step)));
    const bar = document.createElementNS(name, 'rect');
    for (const [key, value] of Object.entries({ x: place + 0.08, y: 1 - height, width: 0.84, height })) bar.setAttribute(key, value);
    tint(bar, part(step));
    return bar;
  }));
  byId('bars').replaceChildren(plot, el('div', { class: 'here' }));
}

// ---- The step on show

function select(place) {
  const all = steps();
  shown.place = Math.max(0, Math.min(all.length - 1, place));
  const step = all[shown.place];
  for (const id of ['before', 'after', 'range']) byId(id).disabled = !step;
  if (!step) {
    byId('place').textContent = 'No step';
    return;
  }
  showStep(step, all[shown.place - 1]);
  mark();
  const words = `Step ${step.step}: ${step.shown}, probability ${probability(step.probability)}`;
  Object.assign(byId('range'), { max: String(all.length), value: String(shown.place + 1) });
  byId('range').setAttribute('aria-valuetext', words);
  byId('place').textContent = `${count(shown.place + 1)} of ${count(all.length)}`;
  byId('live').textContent = words;
  byId('before').disabled = shown.place === 0;
  byId('after').disabled = shown.place === all.length - 1;
  remember();
}

function mark() {
  const chips = byId('chips');
  const before = chips.querySelector('[aria-current]');
  before?.removeAttribute('aria-current');
  before?.setAttribute('tabindex', '-1');
  const chip = chips.querySelector(`[data-place="${shown.place}"]`);
  chip.setAttribute('aria-current', 'step');
  chip.setAttribute('tabindex', '0');
  // Only the text scrolls, not the page.
  const top = chip.offsetTop - chips.clientHeight / 2;
  if (chip.offsetTop < chips.scrollTop || chip.offsetTop + chip.offsetHeight > chips.scrollTop + chips.clientHeight) chips.scrollTop = top;
  const here = byId('bars').querySelector('.here');
  here.style.left = `${(shown.place / steps().length) * 100}%`;
  here.style.width = `${100 / steps().length}%`;
}

// ---- The address says which step is on show, so that it can be sent to someone.

let waiting = 0;
function address() {
  const line = shown.line > 0 ? `line=${shown.line + 1}&` : '';
  const colour = shown.colour === 'probability' ? '' : `&colour=${shown.colour}`;
  return `#${line}step=${shown.place + 1}${colour}`;
}

function remember() {
  clearTimeout(waiting);
  waiting = setTimeout(() => location.replace(address()), 200);
}

function fromAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const whole = (key) => Math.max(0, (Number.parseInt(asked.get(key) ?? '1', 10) || 1) - 1);
  shown.line = Math.min(whole('line'), run.lines.length - 1);
  if (Object.hasOwn(QUANTITIES, asked.get('colour') ?? '')) shown.colour = asked.get('colour');
  byId('line').value = String(shown.line);
  byId('colours').querySelector(`[value="${shown.colour}"]`).checked = true;
  showText();
  select(whole('step'));
}

// ---- What a person does

function listen() {
  byId('before').addEventListener('click', () => select(shown.place - 1));
  byId('after').addEventListener('click', () => select(shown.place + 1));
  byId('range').addEventListener('input', (event) => select(Number(event.target.value) - 1));
  byId('chips').addEventListener('click', (event) => {
    const chip = event.target.closest('[data-place]');
    if (chip) select(Number(chip.dataset.place));
  });
  byId('colours').addEventListener('change', (event) => {
    shown.colour = event.target.value;
    showText();
    mark();
    remember();
  });
  byId('line').addEventListener('change', (event) => {
    shown.line = Number(event.target.value);
    showText();
    select(shown.place);
  });
  const bars = byId('bars');
  const scrub = (event) => {
    const box = bars.getBoundingClientRect();
    select(Math.floor(((event.clientX - box.left) / box.width) * steps().length));
  };
  bars.addEventListener('pointerdown', (event) => {
    bars.setPointerCapture(event.pointerId);
    scrub(event);
  });
  bars.addEventListener('pointermove', (event) => event.buttons & 1 && scrub(event));
  document.addEventListener('keydown', (event) => {
    const to = { ArrowLeft: shown.place - 1, ArrowRight: shown.place + 1, Home: 0, End: steps().length - 1 }[event.key];
    const busy = event.target.closest?.('input, select') || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey;
    if (to === undefined || busy) return;
    event.preventDefault();
    const onChip = document.activeElement?.closest('#chips');
    select(to);
    if (onChip) byId('chips').querySelector('[aria-current]').focus({ preventScroll: true });
  });
  addEventListener('hashchange', () => location.hash !== address() && fromAddress());
}

// ---- The run

function showRun() {
  const { model, adapter } = run;
  document.title = `${model.name} – a run of Logitscope`;
  byId('model-name').textContent = model.name || 'A run of Logitscope';
  byId('summary').textContent = [run.strategy, `seed ${run.seed}`, plural(run.prompt.length, 'prompt token'),
    plural(run.lines[0].nodes.length, 'new token'), run.stop && `stopped: ${run.stop.replaceAll('_', ' ')}`].filter(Boolean).join(' · ');
  const { server } = model;
  facts(byId('model'), server ? [
    ['Engine', server.engine || null],
    ['Log-probabilities', server.whole_rows ? 'whole rows' : `the ${count(server.most_listed)} highest of a row`],
    ['Vocabulary', number(model.vocabulary, count)],
    ['Context', number(model.context, (value) => plural(value, 'position'))],
  ] : [
    ['Family', model.family || null],
    ['Parameters', number(model.parameters, amount)],
    ['Weights', model.weights || null],
    ['On the GPU', number(model.weight_bytes, bytes)],
    ['Layers', number(model.layers, count)],
    ['Width', number(model.width, count)],
    ['Heads', `${model.heads} (${model.key_value_heads} key/value)`],
    ['Vocabulary', number(model.vocabulary, count)],
    ['Context', number(model.context, (value) => plural(value, 'position'))],
  ]);
  const first = run.lines[0].nodes.length > 0 ? run.nodes[run.lines[0].nodes[0]] : null;
  facts(byId('settings'), [
    ['Strategy', run.strategy],
    ['Seed', run.seed],
    !server && ['KV cache', run.step_input === 'new_tokens' ? 'reused' : 'off: every step computes the whole text'],
    ...(first?.stages ?? []).map((stage) => [stage.name, stage.setting || 'on']),
  ]);
  facts(byId('origin'), [
    ...(server ? [['Computed', 'on a server']] : [['Adapter', adapter.name], ['Backend', adapter.backend], ['Driver', adapter.driver || null]]),
    ['Made by', run.program],
  ]);
  showPhases();
  byId('glossary').replaceChildren(...run.glossary.map(([name, unit, source, meaning]) => el('div', null,
    el('dt', null, name, ' ', el('small', null, [unit, source].filter(Boolean).join(', '))), el('dd', null, meaning))));
  byId('line').replaceChildren(...run.lines.map((line, index) => el('option', { value: index }, line.label)));
  byId('line-choice').hidden = run.lines.length < 2;
  byId('colours').append(...Object.keys(QUANTITIES).map((name) => el('label', null,
    el('input', { type: 'radio', name: 'colour', value: name }), el('span', null, name[0].toUpperCase() + name.slice(1)))));
}

function showPhases() {
  const { load, tokenise, initiation, incremental, incremental_steps: passes, detokenise } = run.phases;
  const speed = (amount, { seconds: taken }, unit) => (taken > 0 && amount > 0 ? ` · ${rate(amount / taken)} ${unit}/s` : '');
  const served = known(run.model.server);
  const phases = served ? [
    ['Load', load, 'connecting'],
    ['Tokenise', tokenise, plural(tokenise.amount, 'token')],
    ['Initiation', initiation, `${plural(run.prompt.length, 'prompt token')}${speed(run.prompt.length, initiation, 'tokens')}`],
    ['Incremental', incremental, `${plural(passes, 'step')}${speed(run.incremental.tokens, run.incremental, 'tokens')}`],
    ['Detokenise', detokenise, plural(detokenise.amount, 'token')],
  ] : [
    ['Load', load, `${bytes(load.amount)} of weights`],
    ['Tokenise', tokenise, plural(tokenise.amount, 'token')],
    ['Initiation', initiation, `${plural(initiation.amount, 'row')}${speed(initiation.amount, initiation, 'rows')}`],
    ['Incremental', incremental, `${count(passes)} ${passes === 1 ? 'pass' : 'passes'} · ${plural(incremental.amount, 'row')}${speed(run.incremental.tokens, run.incremental, 'tokens')}`],
    ['Detokenise', detokenise, plural(detokenise.amount, 'token')],
  ];
  const most = Math.max(...phases.map(([, figures]) => figures.seconds), 1e-12);
  byId('phases').replaceChildren(...phases.map(([name, figures, work]) => {
    const bar = el('i', { 'aria-hidden': 'true' });
    bar.style.setProperty('--share', figures.seconds / most);
    return el('div', { role: 'listitem', 'data-phase': name }, el('span', { class: 'caption' }, name), el('b', null, number(figures.seconds, seconds)), bar, el('small', null, work));
  }));
}

showRun();
listen();
fromAddress();
