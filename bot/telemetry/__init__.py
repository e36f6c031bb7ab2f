"""What may be seen of a running bot from outside: metrics, health and readiness over HTTP, a dashboard and alerts."""
