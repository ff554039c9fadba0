// Starts the page: styles, the language that is wanted, then the application. Nothing else.
import './styles/tokens.css';
import './styles/base.css';
import './styles/parts.css';
import './styles/shell.css';
import './styles/pages.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { begin } from './api/queries';
import { App } from './app';
import { load } from './words';

begin();
const root = document.getElementById('root');
if (root) {
  const draw = () =>
    createRoot(root).render(
      <StrictMode>
        <App />
      </StrictMode>,
    );
  // Without its words a language is English rather than nothing.
  void load().then(draw, draw);
}
