"""What every Kopfka process needs: settings, logging, health and metrics, start and graceful stop."""
