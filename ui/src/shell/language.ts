// How any part of the page asks for another language: the application then draws itself again.
import { createContext, use } from 'react';
import type { Language } from '../words/language';

export const LanguageContext = createContext<(next: Language) => Promise<void>>(async () => undefined);
export const useLanguage = () => use(LanguageContext);
