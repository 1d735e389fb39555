int fettle_x(void);
