// Who may see what: somebody who is signed in sees the shell with its pages, nobody sees the sign-in or the first set-up.
// Every address of the page is listed here. A page that the first view does not need is fetched when it is asked for.
import { CSPProvider } from '@base-ui/react/csp-provider';
import { QueryClientProvider } from '@tanstack/react-query';
import { Suspense, useCallback, useEffect, useState } from 'react';
import { Redirect, Route, Router, Switch, useLocation } from 'wouter';
import { BASE } from './api/client';
import { queries, useMe, useSetup } from './api/queries';
import { Overview } from './pages/overview';
import { NotFound } from './pages/not-found';
import { Failure } from './shell/failure';
import { Frame } from './shell/frame';
import { around } from './shell/guard';
import { LanguageContext } from './shell/language';
import { later } from './shell/later';
import { safe } from './shell/return-address';
import { Toasts } from './parts/toast';
import { ErrorCard, Skeleton } from './parts/state';
import { load } from './words';
import { choose, type Language } from './words/language';

const SignIn = later(() => import('./pages/sign-in').then((page) => page.SignIn));
const SetUp = later(() => import('./pages/set-up').then((page) => page.SetUp));
const Plans = later(() => import('./pages/plans').then((page) => page.Plans));
const PlanPage = later(() => import('./pages/plan').then((page) => page.PlanPage));
const Runs = later(() => import('./pages/runs').then((page) => page.Runs));
const RunPage = later(() => import('./pages/run').then((page) => page.RunPage));
const Backups = later(() => import('./pages/backups').then((page) => page.Backups));
const Trash = later(() => import('./pages/trash').then((page) => page.Trash));
const BackupPage = later(() => import('./pages/backup').then((page) => page.BackupPage));
const BackupFiles = later(() => import('./pages/backup-files').then((page) => page.BackupFiles));
const RestorePage = later(() => import('./pages/restore').then((page) => page.RestorePage));
const RestoreUpload = later(() => import('./pages/restore-upload').then((page) => page.RestoreUpload));
const NewPlan = later(() => import('./pages/plan-editor').then((page) => page.NewPlan));
const EditPlan = later(() => import('./pages/plan-editor').then((page) => page.EditPlan));
const Destinations = later(() => import('./pages/destinations').then((page) => page.Destinations));
const NewDestination = later(() => import('./pages/destination').then((page) => page.NewDestination));
const DestinationPage = later(() => import('./pages/destination').then((page) => page.DestinationPage));
const Activity = later(() => import('./pages/activity').then((page) => page.Activity));
const Calendar = later(() => import('./pages/calendar').then((page) => page.Calendar));
const Welcome = later(() => import('./pages/welcome').then((page) => page.Welcome));
const SettingsPage = later(() => import('./pages/settings').then((page) => page.SettingsPage));
const Profile = later(() => import('./pages/profile').then((page) => page.Profile));
const More = later(() => import('./pages/more').then((page) => page.More));

export function App() {
  // Another language draws everything again, with fresh texts and formats.
  const [drawn, draw] = useState(0);
  const change = useCallback(async (next: Language) => {
    choose(next);
    await load().catch(() => undefined);
    draw((count) => count + 1);
  }, []);
  return (
    <QueryClientProvider client={queries}>
      <CSPProvider disableStyleElements>
        <LanguageContext value={change}>
          <Router base={BASE.replace(/\/$/, '')} aroundNav={(navigate, to, options) => around(() => navigate(to, options))}>
            <Failure key={drawn}>
              <Suspense fallback={<Blank />}>
                <Doors />
              </Suspense>
              <Toasts />
            </Failure>
          </Router>
        </LanguageContext>
      </CSPProvider>
    </QueryClientProvider>
  );
}

const Blank = () => (
  <div className="alone">
    <Skeleton lines={3} card />
  </div>
);

function Doors() {
  const me = useMe();
  const nobody = me.data === null;
  const setup = useSetup(nobody);
  const [location] = useLocation();
  if (me.isError && me.data === undefined) {
    return (
      <main className="alone">
        <ErrorCard error={me.error} retry={() => void me.refetch()} />
      </main>
    );
  }
  if (me.data === undefined || (nobody && setup.data === undefined && !setup.isError)) return <Blank />;
  if (nobody) {
    const here = location + window.location.search;
    const back = location === '/' || location === '/setup' ? '' : `?next=${encodeURIComponent(here)}`;
    return (
      <Switch>
        <Route path="/setup">{setup.data?.needed === false ? <Redirect to="/sign-in" replace /> : <SetUp />}</Route>
        <Route path="/sign-in">{setup.data?.needed ? <Redirect to="/setup" replace /> : <SignIn />}</Route>
        <Route>
          <Redirect to={setup.data?.needed ? '/setup' : `/sign-in${back}`} replace />
        </Route>
      </Switch>
    );
  }
  return (
    <Frame>
      <Suspense fallback={<Skeleton lines={3} card />}>
        <Switch>
          <Route path="/" component={Overview} />
          <Route path="/plans" component={Plans} />
          <Route path="/plans/new" component={NewPlan} />
          <Route path="/plans/:name/edit">{({ name }) => <EditPlan key={name} name={decode(name)} />}</Route>
          <Route path="/plans/:name">{({ name }) => <PlanPage key={name} name={decode(name)} tab="backups" />}</Route>
          <Route path="/plans/:name/:tab">{({ name, tab }) => <PlanPage key={name} name={decode(name)} tab={tab} />}</Route>
          <Route path="/runs" component={Runs} />
          <Route path="/runs/:id">{({ id }) => <RunPage key={id} id={decode(id)} />}</Route>
          <Route path="/backups" component={Backups} />
          <Route path="/backups/trash" component={Trash} />
          <Route path="/backups/:id">{({ id }) => <BackupPage key={id} id={decode(id)} />}</Route>
          <Route path="/backups/:id/files">{({ id }) => <BackupFiles key={id} id={decode(id)} />}</Route>
          <Route path="/restore/upload" component={RestoreUpload} />
          <Route path="/restore/:id">{({ id }) => <RestorePage key={id} id={decode(id)} />}</Route>
          <Route path="/destinations" component={Destinations} />
          <Route path="/destinations/new" component={NewDestination} />
          <Route path="/destinations/:name">{({ name }) => <DestinationPage key={name} name={decode(name)} />}</Route>
          <Route path="/calendar" component={Calendar} />
          <Route path="/activity" component={Activity} />
          <Route path="/settings">
            <SettingsPage tab="general" />
          </Route>
          <Route path="/settings/:tab">{({ tab }) => <SettingsPage key={tab} tab={tab} />}</Route>
          <Route path="/profile" component={Profile} />
          <Route path="/more" component={More} />
          <Route path="/welcome" component={Welcome} />
          <Route path="/sign-in">
            <Back next={new URLSearchParams(window.location.search).get('next')} />
          </Route>
          <Route path="/setup">
            <Redirect to="/welcome" replace />
          </Route>
          <Route component={NotFound} />
        </Switch>
      </Suspense>
    </Frame>
  );
}

/** To where somebody wanted to go before the sign-in. */
function Back({ next }: { next: string | null }) {
  const [, go] = useLocation();
  useEffect(() => go(safe(next), { replace: true }), [go, next]);
  return <Skeleton />;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
