// When the page itself breaks: a sentence, the details to hand on, and a way to load it again. The data is the server's
// and was not touched by this.
import { Component, type ErrorInfo, type ReactNode } from 'react';
import { t } from '../words';

export class Failure extends Component<{ children: ReactNode }, { error?: Error; where?: string }> {
  override state: { error?: Error; where?: string } = {};

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override componentDidCatch(_: Error, info: ErrorInfo) {
    this.setState({ where: info.componentStack ?? '' });
  }

  override render() {
    const { error, where } = this.state;
    if (!error) return this.props.children;
    return (
      <main className="alone">
        <h1>{t('error.page')}</h1>
        <p>{t('error.page.hint')}</p>
        <button type="button" className="button primary" onClick={() => window.location.reload()}>
          {t('banner.reload')}
        </button>
        <details>
          <summary>{t('word.details')}</summary>
          <pre className="log" tabIndex={0}>
            {String(error.stack ?? error)}
            {where}
          </pre>
        </details>
      </main>
    );
  }
}
