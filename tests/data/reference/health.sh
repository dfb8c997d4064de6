curl -I https://gateway.example.com/healthz
