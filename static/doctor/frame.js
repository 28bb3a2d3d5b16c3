/*
 * Runs in an iframe of the doctor's page: tells that page whether cookies are kept here.
 */
import { keepsCookies } from './http-tests.js';

const answer = await keepsCookies(new URL('.', import.meta.url)).catch(() => null);
parent.postMessage({ keepsCookies: answer }, location.origin);
