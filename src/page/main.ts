// The page that shows runs as they train, or after: it draws what the feed says.

import type { FeedMessage, StatusView } from '../shared/live/feed.ts';
import { percent } from '../shared/util/figures.ts';
import type { ChartOptions } from './chart.ts';
import { Charts } from './charts.ts';
import { listen } from './client.ts';
import { duration, figure } from './format.ts';
import { element, showHeading, showLists, showRuns, showState, showStatus, showTiles } from './panels.ts';
import { Run } from './run.ts';
import { startTheme } from './theme.ts';

const CHARTS: readonly ChartOptions[] = [
  { title: 'Loss', quantity: 'loss', test: ({ loss }) => loss, format: figure, logarithmic: true },
  {
    title: 'Accuracy',
    quantity: 'accuracy',
    test: ({ accuracy }) => accuracy,
    format: (ratio) => percent(ratio, 1),
    closeUp: { label: 'from 90 %', least: 0.9, isOn: true },
  },
  { title: 'Learning rate', quantity: 'learningRate', format: figure, height: 0.6 },
  { title: 'Gradient norm', quantity: 'gradientNorm', format: figure, logarithmic: true, height: 0.6 },
  { title: 'Time of a step', quantity: 'seconds', format: duration, height: 0.6 },
];

let runs: readonly Run[] = [];
let status: StatusView | undefined;
let isLive = false;
let isDue = false;

const charts = new Charts(element('charts'), CHARTS, () => redraw());
startTheme(element<HTMLButtonElement>('theme'), () => {
  charts.rebuild();
  if (runs.length > 0) showRuns(runs);
});
listen({
  onMessage: take,
  onLost: () => showState('unreachable'),
});

function take(message: FeedMessage): void {
  // Only the run that is under way is told more.
  const [live] = runs;
  switch (message.type) {
    case 'runs':
      begin(
        message.runs.map((view) => new Run(view)),
        message.live,
      );
      return;
    case 'steps':
      live?.add(message.points);
      break;
    case 'test':
      live?.addTo(live.tests, message.test);
      break;
    case 'checkpoint':
      live?.addTo(live.checkpoints, message.checkpoint);
      showLists(runs);
      break;
    case 'happening':
      live?.addTo(live.happenings, message.happening);
      showLists(runs);
      break;
    case 'status':
      status = message.status;
      showStatus(status);
      break;
    case 'end':
      if (live === undefined) return;
      live.state = message.state;
      live.weightsSha256 = message.weightsSha256;
      showState(message.state);
  }
  redraw();
}

function begin(all: readonly Run[], live: boolean): void {
  runs = all;
  isLive = live;
  status = undefined;
  const single = runs.length === 1 ? runs[0] : undefined;
  showState(single?.state ?? 'finished');
  element('state').hidden = single === undefined;
  element('tiles').hidden = single === undefined;
  element('runs').hidden = single !== undefined;
  element('nodes').hidden = !isLive;
  element('phases').hidden = !isLive;
  showHeading(runs);
  showRuns(runs);
  showLists(runs);
  charts.show(runs);
  redraw();
}

/** Once a frame at the most, however many messages come. */
function redraw(): void {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    charts.draw();
    const [run] = runs;
    if (runs.length === 1 && run !== undefined) showTiles(run, status);
  });
}
