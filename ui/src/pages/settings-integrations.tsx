// How other programs look at this server: ready-made pieces with its address in them. What they need is a token that may
// read; it is never filled in.
import { useState } from 'react';
import { Link } from 'wouter';
import { address } from '../api/client';
import { Copyable } from '../parts/copy';
import { t } from '../words';

export function Integrations() {
  const [origin] = useState(() => new URL(address(''), window.location.href));
  const below = (path: string) => new URL(path, origin).href;
  const pieces = [
    {
      title: t('integrations.monitor'),
      text: t('integrations.monitor.text'),
      code: `curl -fsS -H "Authorization: Bearer TOKEN" ${below('api/v1/health/backups')}`,
    },
    { title: t('integrations.alive'), text: t('integrations.alive.text'), code: `curl -fsS ${below('healthz')}` },
    {
      title: 'Prometheus',
      text: t('integrations.prometheus.text'),
      code: `scrape_configs:
  - job_name: recoup
    scheme: ${origin.protocol.replace(':', '')}
    metrics_path: ${new URL('metrics', origin).pathname}
    authorization:
      credentials: TOKEN
    static_configs:
      - targets: ["${origin.host}"]`,
    },
    {
      title: 'Homepage',
      text: t('integrations.homepage.text'),
      code: `- Recoup:
    href: ${origin.href}
    widget:
      type: customapi
      url: ${below('api/v1/health')}
      headers:
        Authorization: Bearer TOKEN
      mappings:
        - { field: status, label: Backups }
        - { field: plans, label: Plans, format: number }
        - { field: overdue, label: Overdue, format: number }`,
    },
  ];
  return (
    <>
      <p>
        {t('integrations.token')} <Link to="/settings/tokens">{t('settings.tab.tokens')}</Link>
      </p>
      {pieces.map(({ title, text, code }) => (
        <section className="card" key={title}>
          <h2>{title}</h2>
          <p>{text}</p>
          <Copyable text={code} name={title} />
        </section>
      ))}
      <p>
        <a href={address('api/docs')}>{t('settings.api')}</a>
      </p>
    </>
  );
}
