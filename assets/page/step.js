// One step: its numbers, its draw, its time, and the candidates through the stages.

/** A candidate as the data have it: [id, raw logit, raw probability, probability, stage that cut it, values after]. */
function candidate([id, logit, raw, share, cutBy, after]) {
  let value = logit;
  // "=" says that a stage left the value as it was.
  const values = after.map((next) => (value = next === '=' ? value : next));
  return { id, logit, raw, share, cutBy, values, shown: run.pieces[id] ?? `#${id}` };
}

/** Whether the model was on a server, which sends log-probabilities in place of logits. */
const isServed = () => known(run.model.server);

/** Where a server sent the highest log-probabilities alone, the entropy lies between two ends. */
function entropy(step) {
  const most = step.entropy_at_most;
  if (!known(most) || most.toFixed(3) === step.entropy.toFixed(3)) return number(step.entropy, nats);
  return el('span', null, number(step.entropy, (value) => value.toFixed(3)), '–', number(most, nats));
}

function showStep(step, previous) {
  const rows = step.candidates.map(candidate);
  const chosen = rows.find((row) => row.id === step.token);
  const from = step.phase === 'initiation' ? 'from initiation' : 'incremental';
  byId('step-title').textContent = [`Step ${step.step}`, from, step.by_hand && 'chosen by hand',
    step.guessed && 'guessed ahead, then verified'].filter(Boolean).join(' · ');
  byId('step-token').replaceChildren(...inked(step.shown));
  const rank = run.model.vocabulary > 0 ? (value) => `${count(value)} of ${count(run.model.vocabulary)}` : count;
  facts(byId('step-facts'), [
    ['Token id', number(step.token, String), 'id'],
    ['Rank', known(step.below) ? `> ${count(step.below)}` : number(step.rank, rank), 'rank'],
    ['Probability', number(step.probability, probability), 'probability'],
    run.strategy !== 'server' && ['Chosen with', chosen && number(chosen.share, probability), 'chosen-with'],
    ['Surprisal', number(step.surprisal, nats), 'surprisal'],
    isServed() ? ['Log-probability', number(step.logit, nats), 'logit'] : ['Logit', number(step.logit, real), 'logit'],
    ['Entropy', entropy(step), 'entropy'],
    !isServed() && ['Log-sum-exp', number(step.log_sum_exp, nats), 'log-sum-exp'],
  ]);
  showDraw(step, rows);
  showTime(step);
  const { rows: computed, cached_positions: cached, cache_bytes: cacheBytes, states } = step.counters;
  facts(byId('work'), isServed() ? [
    ['Follows', previous ? `step ${previous.step}` : 'the prompt'],
    ['Rows asked for', number(computed, count), 'rows'],
  ] : [
    ['Follows', previous ? `step ${previous.step}` : 'the prompt'],
    ['Token rows', number(computed, count), 'rows'],
    ['KV cache', number(cached, (value) => plural(value, 'position')), 'cached'],
    ['KV memory', number(cacheBytes, bytes), 'cache-bytes'],
    states && ['States', number(states.bytes, bytes), 'state-bytes'],
  ]);
  showPipeline(step, rows);
  showDetail(step.detail);
}

function showDraw(step, rows) {
  const place = byId('draw');
  if (!step.draw) {
    place.replaceChildren(el('p', { class: 'hint' }, step.by_hand
      ? 'No random number: a person chose this token.'
      : run.strategy === 'server' ? 'The server chose: whether it drew, and with which random number, it does not tell.' : 'No random number decided here.'));
    return;
  }
  const kept = rows.filter((row) => row.share > 0).sort((a, b) => b.share - a.share || a.id - b.id);
  const parts = kept.map((row) => [row.share, row.shown, row.id === step.token]);
  if (step.others.probability > 0) parts.push([step.others.probability, 'others', false]);
  const line = el('div', { class: 'line' });
  let left = 0;
  parts.forEach(([share, shown, isChosen], index) => {
    const segment = el('span', {
      class: `segment${index % 2 ? ' odd' : ''}${isChosen ? ' chosen' : ''}`, title: `${shown} ${probability(share)}`,
    }, share > 0.09 ? shown : '');
    segment.style.left = `${left * 100}%`;
    segment.style.width = `${share * 100}%`;
    line.append(segment);
    left += share;
  });
  const { value, step: drawn, from, to } = step.draw;
  const needle = el('span', { class: 'needle' });
  const text = el('span', { class: value < 0.75 ? 'value' : 'value left' }, value.toFixed(3));
  needle.style.left = text.style.left = `${value * 100}%`;
  const list = el('dl', { class: 'facts' });
  facts(list, [
    ['Random number', number(value, (u) => u.toFixed(6)), 'draw'],
    ['Its segment', el('span', null, number(from, (at) => at.toFixed(4)), ' – ', number(to, (at) => at.toFixed(4))), 'segment'],
    ['Seed', `${run.seed} · step ${drawn}`],
  ]);
  place.replaceChildren(el('div', { class: 'draw', role: 'img', 'aria-label': `The kept tokens end to end from 0 to 1, and the random number ${value.toFixed(6)}` },
    line, needle, text, el('div', { class: 'ends' }, el('span', null, '0'), el('span', null, '0.5'), el('span', null, '1'))), list);
}

function showTime(step) {
  const place = byId('time');
  const { total_seconds: total, encode_seconds: encode, gpu_seconds: gpu, choose_seconds: choose } = step.timing;
  if (total === 0) {
    const reason = step.by_hand ? 'None: a person chose this token.'
      : step.with_step ? `None of its own: it came with the pass of step ${step.with_step}.` : 'None was measured.';
    place.replaceChildren(el('p', { class: 'hint' }, reason));
    return;
  }
  // Encoding overlaps the GPU's work, so the two are not added where the GPU's own time is known.
  const parts = isServed() ? servedParts(step.timing) : [known(gpu) ? ['GPU', gpu, 'gpu'] : ['Encode', encode, 'encode'], ['Choose', choose, 'choose']];
  if (!isServed()) parts.push(['Wait and read', Math.max(0, total - parts[0][1] - choose), 'other']);
  const shares = el('div', { class: 'shares', 'aria-hidden': 'true' }, ...parts.map(([, value], index) => {
    const part = el('i', { class: `part${index}` });
    part.style.flexGrow = String(Math.max(value / total, 0.002));
    return part;
  }));
  const list = el('dl', { class: 'facts' });
  facts(list, [['Step', number(total, seconds), 'seconds'],
    ...parts.map(([name, value, key], index) => [[el('span', { class: `dot part${index}` }), name], number(value, seconds), key]),
    !isServed() && known(gpu) && ['Encode', number(encode, seconds), 'encode']]);
  place.replaceChildren(shares, list);
}

/** The parts of a step that a server computed: its own as it tells, the choice here, and the rest. */
function servedParts({ total_seconds: total, server_seconds: server, choose_seconds: choose }) {
  if (!known(server)) return [['Server and way', Math.max(0, total - choose), 'other'], ['Choose', choose, 'choose']];
  return [['Computed there', server, 'server'], ['Choose', choose, 'choose'], ['Way and waiting', Math.max(0, total - server - choose), 'other']];
}

function showPipeline(step, rows) {
  const head = (title, detail, kind) => el('th', { scope: 'col', class: kind }, title, el('small', null, detail));
  const stages = step.stages.map((stage) => head(stage.name,
    [known(stage.state) ? stage.state.toFixed(2) : stage.setting, `${count(stage.kept)} kept`].filter(Boolean).join(' · ')));
  const columns = el('tr', null, head('Rank', '\u00a0'), head('Token', '\u00a0', 'words'), head('Id', '\u00a0'),
    isServed() ? head('Log-probability', 'nats, sent') : head('Logit', 'raw'), head('p', 'raw'),
    ...stages, head('Probability', run.strategy === 'server' ? 'before the server’s stages' : 'to choose from', 'probability'));
  const others = el('tr', null, el('td'), el('td', { class: 'words' }, step.unsent ? 'not sent' : 'all others'), el('td', { class: 'number' }, number(step.others.count, count)),
    el('td'), el('td', { class: 'number' }, number(step.others.raw_probability, probability)), ...step.stages.map(() => el('td')),
    share(step.others.probability));
  byId('pipeline').replaceChildren(el('caption', { class: 'unseen' }, `Candidates of step ${step.step}`),
    el('thead', null, columns), el('tbody', null, ...rows.map((row, index) => pipelineRow(step, row, index))), el('tfoot', null, others));
  const note = byId('pipeline-note');
  note.hidden = !step.merged;
  note.textContent = step.merged ? `${plural(step.merged, 'recorded candidate')} more are counted with all others, so that the page stays small: the trace has them.` : '';
}

function pipelineRow(step, row, index) {
  const chosen = row.id === step.token;
  const values = step.stages.map((stage, place) => {
    if (place < row.values.length) {
      const before = place === 0 ? row.logit : row.values[place - 1];
      return el('td', { class: row.values[place] === before ? 'number same' : 'number' }, number(row.values[place], real));
    }
    return el('td', { class: 'number' }, place === row.cutBy ? el('span', { class: 'cut' }, 'cut') : '–');
  });
  const mark = chosen ? [el('span', { class: 'unseen' }, step.by_hand ? ' chosen by hand' : ' chosen')] : [];
  return el('tr', { class: chosen ? 'chosen' : known(row.cutBy) ? 'cut' : false, 'data-token': row.id },
    el('td', { class: 'number' }, chosen && known(step.below) ? `> ${count(step.below)}` : count(chosen ? step.rank : index + 1)),
    el('td', { class: 'words', title: row.shown, dir: 'auto' }, ...inked(row.shown), ...mark),
    el('td', { class: 'number' }, String(row.id)), el('td', { class: 'number' }, number(row.logit, real)),
    el('td', { class: 'number' }, number(row.raw, probability)), ...values, share(row.share));
}

function share(value) {
  const bar = el('i', { 'aria-hidden': 'true' });
  bar.style.setProperty('--share', value > 0 ? Math.min(1, value) : 0);
  return el('td', { class: 'probability' }, el('div', null, number(value, probability), value > 0 ? bar : null));
}

/** What the strategy weighed beside the candidates. */
function showDetail(detail) {
  byId('detail').hidden = !detail;
  if (!detail) return;
  byId('detail-title').textContent = detail.title;
  const side = (index) => (detail.rows.some((row) => typeof row[index] === 'string') ? 'words' : 'number');
  const head = detail.columns.map(([title, unit], index) => el('th', { scope: 'col', class: side(index) }, title, el('small', null, unit || '\u00a0')));
  const body = detail.rows.map((row) => el('tr', null, ...row.map((cell, index) => el('td', { class: side(index) },
    typeof cell === 'number' ? number(cell, (value) => (Number.isInteger(value) ? String(value) : minus(value.toFixed(4)))) : cell ?? ''))));
  byId('detail-table').replaceChildren(el('thead', null, el('tr', null, ...head)), el('tbody', null, ...body));
}
