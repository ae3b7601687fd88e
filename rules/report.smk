# Needs: results/tables and results/studies. Makes: results/figures and results/report.html. Steps: figures, report.
